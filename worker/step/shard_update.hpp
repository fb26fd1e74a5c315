// Updates this rank's shard of weights, optimiser state, running statistics and averages, in place, in host
// or GPU memory.
#pragma once

#include <vector>

#include "worker/optim/shard_blocks.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// `gradients` is always this rank's shard of a tree sum: float32 [shard.size()] on the state's device.
class ShardUpdate {
 public:
  /// Both must outlive it.
  ShardUpdate(TrainingState& state, const Workload& workload);

  /// The sum of squares of each of this rank's parameter blocks, in block order. Not collective.
  std::vector<double> sums_of_squares(const at::Tensor& gradients) const;

  /// Limits each element of the mean gradient, `gradients` times `scale`, to training.gradient_clip_value
  /// (torch.nn.utils.clip_grad_value_). In place; does nothing if that is 0.
  void clip_values(const at::Tensor& gradients, float scale) const;

  /// Collective if the optimiser is layer-wise: it then needs norms of whole parameters. Updates block by
  /// block, or matrix by matrix: parameters and optimiser state, running statistics (momentum 0.1, over the
  /// mean of the micro-batches' statistics), and in the same pass the moving average with `ema_decay`.
  /// `gradients` times `scale` is the mean gradient. `host` moves host memory. Throws CollectiveError.
  void step(Transport& host, const StepScalars& scalars, double ema_decay, const at::Tensor& gradients,
            float scale);

  /// Sophia: updates the estimate of the curvature from the gradients for sampled labels.
  void move_curvature(const at::Tensor& gradients) const;

  /// Adds the weights to SWA's mean as member number `member` (from 1).
  void add_to_mean(std::int64_t member) const;

 private:
  ShardArrays arrays(const at::Tensor& gradients) const;
  std::vector<double> trust(Transport& host, const at::Tensor& gradients, float scale) const;
  std::vector<Factors> factors(const StepScalars& scalars, const std::vector<double>& trust) const;
  void update_matrices(const StepScalars& scalars, const at::Tensor& gradients, float scale) const;

  TrainingState& state_;
  const Workload& workload_;
  ShardBlocks parameters_;   ///< all parameters
  ShardBlocks elementwise_;  ///< those that the optimiser does not treat as matrices
  ShardBlocks matrices_;     ///< those that it does
  ShardBlocks statistics_;
  at::Tensor direction_;  ///< float32 [shard.size()], for optimisers that have one
};

}  // namespace lockstep
