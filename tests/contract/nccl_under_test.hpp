// The NCCL transport for the contract tests, on real GPUs or on the double: one rank per GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>

#include "collectives/gpu.hpp"
#include "collectives/nccl_transport.hpp"

namespace lockstep::contract {

/// The local rank and the number of ranks on this host. The constructor is collective.
struct LocalRank {
  int rank = 0;
  int size = 1;
  LocalRank() {
    MPI_Comm host;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &rank);
    MPI_Comm_size(host, &size);
    MPI_Comm_free(&host);
  }
};

class NcclUnderTest {
 public:
  explicit NcclUnderTest(std::chrono::milliseconds deadline)
      : host_(MPI_COMM_WORLD, deadline), transport_(host_, LocalRank().rank, deadline) {}

  /// Collective; returns the same on all ranks.
  static std::string reason_to_skip() {
    const LocalRank local;
    int missing = std::max(local.size - gpu_count(), 0);
    MPI_Allreduce(MPI_IN_PLACE, &missing, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (missing == 0) return "";
    return "needs a GPU for each of " + std::to_string(local.size) + " ranks, and there are " +
           std::to_string(gpu_count()) + " (" + why_no_gpu() + ")";
  }

  Transport& transport() { return transport_; }
  NcclTransport& nccl() { return transport_; }
  std::shared_ptr<void> allocate(std::size_t bytes) {
    void* memory = nullptr;
    if (cudaMalloc(&memory, bytes) != cudaSuccess) throw std::bad_alloc();
    return {memory, cudaFree};
  }

 private:
  MpiTransport host_;
  NcclTransport transport_;
};

}  // namespace lockstep::contract
