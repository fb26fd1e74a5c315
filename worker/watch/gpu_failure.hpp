// How a rank whose GPU has failed finds and reports the fault before it exits.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include "collectives/gpu_fault.hpp"

namespace lockstep {

/// The GPU fault that caused `error`, if one did: our own GpuFailure, an error of the CUDA runtime that
/// LibTorch has thrown, or any other error while CUDA or NVML reports a fault, since cuBLAS, cuDNN and NCCL
/// only say that something has failed.
std::optional<GpuFailure> gpu_failure_in(const std::exception& error);

/// Reports on standard error, in the log and in the stamps that this rank has lost its GPU: which GPU, why,
/// and what to do. Takes a second at most.
void say_gpu_failed(int rank, const GpuFailure& failure);

}  // namespace lockstep
