// How a rank leaves whose GPU has failed.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include "collectives/gpu_fault.hpp"

namespace lockstep {

/// The fault of the GPU that `error` comes from, if it is one: our own GpuFailure, LibTorch's error of the
/// CUDA runtime, or anything else while CUDA or NVML reports a fault, since cuBLAS, cuDNN and NCCL only say
/// that something has failed.
std::optional<GpuFailure> gpu_failure_in(const std::exception& error);

/// Says on standard error, logs and stamps that this rank has lost its GPU: which it is, why, and what to do.
/// Takes a second at most.
void say_gpu_failed(int rank, const GpuFailure& failure);

}  // namespace lockstep
