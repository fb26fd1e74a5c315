// The transport between GPUs, for those who compute on them and need not know which it is.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "collectives/mpi_transport.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// How bytes move between GPUs: over NCCL, which wants a GPU for each rank, or through host memory and MPI,
/// where ranks may share them.
enum class GpuMessages { over_nccl, through_host };

/// Collective. `host` must outlive the transport. `device` is this rank's GPU. `deadline` bounds each
/// exchange. `give_back` frees what others hold of the GPU's memory and do not use; it may be empty, and is
/// called where memory is refused. Throws CollectiveError; Error (config) when the GPU cannot be used, and in
/// a build without CUDA.
std::unique_ptr<Transport> make_gpu_transport(MpiTransport& host, int device, GpuMessages messages,
                                              std::chrono::milliseconds deadline,
                                              std::function<void()> give_back);

}  // namespace lockstep
