// What the NCCL double needs from the device: from the CUDA runtime's double beside it, or from the ghost.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <vector>

namespace lockstep::nccl_double {

/// Memory that an operation reads or writes.
struct Touched {
  const void* begin;
  std::size_t bytes;
  bool writes;
};

/// Queues an operation on `stream`. `work` is called again and again until it returns true: then it is done.
void give(cudaStream_t stream, const std::vector<Touched>& memory, std::function<bool()> work);

/// The index of the calling thread's GPU.
int current_device();

/// True if the test allows any memory, or if all `bytes` from `data` on lie in one block that cudaMalloc()
/// returned.
bool is_usable(const void* data, std::size_t bytes);

}  // namespace lockstep::nccl_double
