// The update of this rank's shard: weights and optimiser state, running statistics, averages.
#pragma once

#include "worker/state.hpp"
#include "worker/workload.hpp"

namespace lockstep {

/// Collective where the optimiser is layer-wise: it needs norms of whole parameters. Updates this rank's
/// shard block by block, or matrix by matrix: parameters and optimiser state, running statistics (momentum
/// 0.1, over the mean of the micro-batches' statistics), then the moving average with `ema_decay`.
/// `gradient_sum`: this rank's shard of the tree sum, float32, of which `scale` makes the mean. Throws
/// CollectiveError.
void update_shard(Transport& transport, TrainingState& state, const Workload& workload,
                  const StepScalars& scalars, double ema_decay, const float* gradient_sum, float scale);

/// Sophia: moves the curvature of this rank's shard by the tree sum of sampled gradients.
void update_curvature(TrainingState& state, const Workload& workload, const float* sampled_gradient_sum);

}  // namespace lockstep
