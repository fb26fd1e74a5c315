// A set of pieces of this rank's shard, and the arithmetic on their elements.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/optim/element.hpp"

namespace lockstep {

/// Runs the arithmetic as loops on the host or as kernels on the GPU, from one source. On a GPU, update()
/// returns before the kernels have finished; LibTorch's later work is ordered after them.
class ShardBlocks {
 public:
  /// The shard lies on `device`, in GPU memory if `on_gpu`.
  ShardBlocks(std::vector<Piece> pieces, at::Device device, bool on_gpu);

  /// Applies `rule` to every element, and with `averaged` updates its moving average. `factors`: indexed by
  /// layout entry; empty for rules that need none. Throws GpuFailure if the GPU fails, Error (out of memory)
  /// if it refuses memory, CollectiveError for any other CUDA error.
  void update(UpdateRule rule, bool averaged, const ShardArrays& arrays, const StepNumbers& numbers,
              const std::vector<Factors>& factors) const;

  /// The sum of squares of each piece of `values` (float32, a shard on the device), in double and in eight
  /// fixed lanes: the same bits on host and GPU. Throws as update().
  std::vector<double> sums_of_squares(const at::Tensor& values) const;

 private:
  std::vector<Piece> pieces_;
  at::Device device_;
  bool on_gpu_;
  at::Tensor there_;  ///< the pieces as bytes, on the GPU
};

}  // namespace lockstep
