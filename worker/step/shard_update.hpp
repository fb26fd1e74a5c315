// The update of this rank's shard: weights and optimiser state, running statistics, averages; where the shard
// lies, in host memory or on the GPU.
#pragma once

#include <vector>

#include "worker/optim/shard_blocks.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Gradients, here, are this rank's shard of a tree sum: float32 [shard.size()] on the state's device.
class ShardUpdate {
 public:
  /// Both must outlive it.
  ShardUpdate(TrainingState& state, const Workload& workload);

  /// The sum of squares of each of this rank's blocks of parameters, in their order.
  std::vector<double> sums_of_squares(const at::Tensor& gradients) const;

  /// Limits each element of the mean gradient, `gradients` times `scale`, to training.gradient_clip_value
  /// (torch.nn.utils.clip_grad_value_). In place; nothing happens where it is 0.
  void clip_values(const at::Tensor& gradients, float scale) const;

  /// Collective where the optimiser is layer-wise: it needs norms of whole parameters. Updates block by
  /// block, or matrix by matrix: parameters and optimiser state, running statistics (momentum 0.1, over the
  /// mean of the micro-batches' statistics), and in the same pass the moving average with `ema_decay`.
  /// `scale` makes the mean of `gradients`. Throws CollectiveError.
  void step(Transport& host, const StepScalars& scalars, double ema_decay, const at::Tensor& gradients,
            float scale);

  /// Sophia: moves the curvature by gradients of sampled labels.
  void move_curvature(const at::Tensor& gradients) const;

  /// The weights become member number `member` (from 1) of SWA's mean.
  void add_to_mean(std::int64_t member) const;

 private:
  ShardArrays arrays(const at::Tensor& gradients) const;
  std::vector<double> trust(Transport& host, const at::Tensor& gradients, float scale) const;
  std::vector<Factors> factors(const StepScalars& scalars, const std::vector<double>& trust) const;
  void update_matrices(const StepScalars& scalars, const at::Tensor& gradients, float scale) const;

  TrainingState& state_;
  const Workload& workload_;
  ShardBlocks parameters_;   ///< all of them
  ShardBlocks elementwise_;  ///< the parameters that are no matrices to the optimiser
  ShardBlocks matrices_;     ///< and those that are
  ShardBlocks statistics_;
  at::Tensor direction_;  ///< float32 [shard.size()], for optimisers that have one
};

}  // namespace lockstep
