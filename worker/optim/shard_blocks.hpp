// Some pieces of this rank's shard, and the arithmetic on their elements.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/optim/element.hpp"

namespace lockstep {

/// The arithmetic is one source for the host's loops and for kernels; here is the choice between them. On a
/// GPU it is under way when a function returns that has no result; LibTorch's work comes after it.
class ShardBlocks {
 public:
  /// The shard lies on `device`, and is a GPU's memory with `on_gpu`.
  ShardBlocks(std::vector<Piece> pieces, at::Device device, bool on_gpu);

  /// Applies `rule` to every element, and with `averaged` moves its average. `factors`: by entry of the
  /// layout; empty for rules that need none. Throws GpuFailure when the GPU fails.
  void update(UpdateRule rule, bool averaged, const ShardArrays& arrays, const StepNumbers& numbers,
              const std::vector<Factors>& factors) const;

  /// The sum of squares of each piece of `values` (float32, a shard on the device), in double and in eight
  /// fixed lanes: the same bits on host and GPU. Throws GpuFailure when the GPU fails.
  std::vector<double> sums_of_squares(const at::Tensor& values) const;

 private:
  std::vector<Piece> pieces_;
  at::Device device_;
  bool on_gpu_;
  at::Tensor there_;  ///< the pieces as bytes, on the GPU
};

}  // namespace lockstep
