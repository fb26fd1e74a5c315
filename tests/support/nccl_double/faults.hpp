// A double of NCCL and of the part of the CUDA runtime that lockstep calls, on host memory and MPI, for tests
// on machines without a GPU. The environment variable NCCL_DOUBLE_GPUS sets the number of its "GPUs" (default
// 8); NCCL_DOUBLE_FAIL breaks one of them, or all (GPU -1). Where a call of the originals would wait for a
// peer, here it returns at once and later calls bring the work on, so that polling, deadlines and aborts run
// the same code. The double refuses misuse with which the originals would hang or corrupt memory. Only the
// thread that called MPI_Init may call it, except for ncclCommAbort().
#pragma once

#include <nccl.h>

#include <atomic>
#include <cstddef>
#include <limits>
#include <optional>

namespace lockstep::nccl_double {

/// What fails in this process. A test sets it, and resets it by assigning {}.
struct Faults {
  ncclResult_t asynchronous_error = ncclSuccess;  ///< what ncclCommGetAsyncError() reports
  int gpu_error = 0;           ///< a cudaError_t that every check for earlier errors returns
  bool silent_peers = false;   ///< nothing that needs a peer completes
  bool endless_abort = false;  ///< ncclCommAbort() never returns
  std::size_t memory_bytes =
      std::numeric_limits<std::size_t>::max();  ///< of the largest cudaMalloc() that succeeds
  bool only_device_memory = false;  ///< messages and sums outside of memory from cudaMalloc() are refused
  std::optional<double> gpu_milliseconds = {};  ///< when the GPU reaches events recorded from now on
  bool gpu_is_behind = false;                   ///< it has not yet reached any event that measures time
};
Faults& faults();

/// The number of calls of ncclCommAbort() in this process.
std::atomic<int>& aborts();

}  // namespace lockstep::nccl_double
