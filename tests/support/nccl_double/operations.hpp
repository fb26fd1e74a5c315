// What the double of NCCL asks of the device: of the double of the CUDA runtime beside it, or of the ghost.
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

/// Gives `stream` an operation, which is called again and again until it returns true: it is done.
void give(cudaStream_t stream, const std::vector<Touched>& memory, std::function<bool()> work);

/// The calling thread's GPU.
int current_device();

/// True when the test allows any memory, or all `bytes` from `data` lie in one block that cudaMalloc()
/// returned.
bool is_usable(const void* data, std::size_t bytes);

}  // namespace lockstep::nccl_double
