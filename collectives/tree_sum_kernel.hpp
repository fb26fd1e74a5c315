// The sum of many arrays along the fixed tree as one kernel, and how they become 16 bits wide. C++17, because
// nvcc reads it too.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "collectives/gradient_format.hpp"
#include "collectives/host_device.hpp"

namespace lockstep {

/// The argument of one launch: push each partial sum on a stack, and after each replace the top two entries
/// by their sum so many times. Kernel arguments are portable up to 4 KiB, so more partial sums take several
/// launches.
struct TreeSum {
  static constexpr int capacity = 256;  ///< partial sums
  static constexpr int depth = 40;      ///< of the stack, which has log2(micro-batches) + 1 at most
  std::int32_t size = 0;                ///< partial sums of this launch
  std::int32_t held = 0;                ///< sums that the launch before has left in `rest`
  float* sum = nullptr;                 ///< of the last launch; null: the stack is left in `rest`
  float* rest = nullptr;                ///< [depth, count]; unused when there is but one launch
  GradientFormat stored = GradientFormat::float32;  ///< how the partial sums are stored
  GradientFormat format = GradientFormat::float32;  ///< what every sum is rounded to
  const void* partial_sum[capacity];                ///< float, or the 16 bits of `stored`
  std::uint8_t additions[capacity];
};

inline constexpr int tree_sum_threads = 256;  ///< in a block

/// Blocks for arrays of `count` elements, one element a thread.
constexpr std::int64_t tree_sum_blocks(std::int64_t count) {
  return (count + tree_sum_threads - 1) / tree_sum_threads;
}

LOCKSTEP_HOST_DEVICE inline float element_of(const void* partial_sum, std::int64_t i, GradientFormat format) {
  if (format == GradientFormat::float32) return static_cast<const float*>(partial_sum)[i];
  return decoded(static_cast<const std::uint16_t*>(partial_sum)[i], format);
}

/// The whole work of one thread, on one element: each partial sum is read once and the sum written once. No
/// thread reads what another writes, so that `sum` may be one of the partial sums.
LOCKSTEP_HOST_DEVICE inline void tree_sum_thread(const TreeSum& launch, std::int64_t count,
                                                 std::int64_t block, int thread) {
  const std::int64_t i = block * tree_sum_threads + thread;
  if (i >= count) return;
  float stack[TreeSum::depth];
  int held = launch.held;
  for (int row = 0; row < held; ++row) stack[row] = launch.rest[row * count + i];
  for (int p = 0; p < launch.size; ++p) {
    float value = element_of(launch.partial_sum[p], i, launch.stored);
    for (int left = launch.additions[p]; left > 0; --left)
      value = rounded(added(stack[--held], value), launch.format);
    stack[held++] = value;
  }
  if (launch.sum != nullptr) {
    launch.sum[i] = stack[0];
  } else {
    for (int row = 0; row < held; ++row) launch.rest[row * count + i] = stack[row];
  }
}

/// Starts it on `stream`, for arrays of `count` >= 1 elements of device memory.
cudaError_t launch_tree_sum(const TreeSum& launch, std::int64_t count, cudaStream_t stream);

/// Loads the code of all kernels here. Otherwise CUDA does so at the first launch, and may then wait for all
/// earlier work of the GPU.
cudaError_t load_kernels();

LOCKSTEP_HOST_DEVICE inline void encode_thread(const float* values, std::uint16_t* codes,
                                               GradientFormat format, std::int64_t count, std::int64_t block,
                                               int thread) {
  const std::int64_t i = block * tree_sum_threads + thread;
  if (i < count) codes[i] = encoded(values[i], format);
}

/// Starts on `stream` the encoding of `count` >= 1 values that are of 16-bit `format` already.
cudaError_t launch_encode(const float* values, std::uint16_t* codes, GradientFormat format,
                          std::int64_t count, cudaStream_t stream);

}  // namespace lockstep
