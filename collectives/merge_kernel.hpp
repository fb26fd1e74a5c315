// The additions of a tree as one kernel. C++17, because nvcc reads it too.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "collectives/merge.hpp"

namespace lockstep {

/// Additions that one launch carries out, in order: left[m][i] += right[m][i]. It is a kernel's argument, of
/// which 4 KiB are portable.
struct MergeBatch {
  static constexpr int capacity = 128;
  std::int32_t size = 0;
  float* left[capacity];
  const float* right[capacity];
};

inline constexpr int merge_threads = 256;  ///< in a block

/// Blocks for arrays of `count` elements, one element a thread.
constexpr std::int64_t merge_blocks(std::int64_t count) {
  return (count + merge_threads - 1) / merge_threads;
}

/// The whole work of one thread. An element is the thread's from the first addition to the last, so that no
/// thread needs to wait for another.
LOCKSTEP_HOST_DEVICE inline void merge_thread(const MergeBatch& batch, std::int64_t count, std::int64_t block,
                                              int thread) {
  const std::int64_t i = block * merge_threads + thread;
  if (i >= count) return;
  for (int m = 0; m < batch.size; ++m) merge_element(batch.left[m], batch.right[m], i);
}

/// Starts the additions on `stream`, for arrays of `count` >= 1 elements of device memory.
cudaError_t launch_merge(const MergeBatch& batch, std::int64_t count, cudaStream_t stream);

}  // namespace lockstep
