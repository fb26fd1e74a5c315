// What the sum over a step's micro-batches tells all ranks: loss, weight, norm.
#pragma once

#include <vector>

#include "worker/state/state.hpp"
#include "worker/step/shard_update.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

/// What a step's sums tell all ranks. A step whose samples all weigh 0 has weight 1 and sums of 0.
struct StepSums {
  double loss = 0, weight = 0, correct = 0;  ///< over the samples of the step
  double loss_scale = 1;                     ///< that the gradients were multiplied by
  double gradient_norm = 0;                  ///< of the mean gradient over all parameters, before clipping
  std::vector<RankReport> reports = {};      ///< of all ranks, which came with the numbers
};

/// Collective: sums of squares block by block, gathered and added in block order. `gradient_sum` is this
/// rank's shard of the tree sum, float32 on the state's device, times `loss_scale`. `report`
/// travels in the same messages; with details on all ranks or on none.
/// Throws CollectiveError.
StepSums gather_sums(Transport& transport, const TrainingState& state, const ShardUpdate& update,
                     const at::Tensor& gradient_sum, double loss_scale, const RankReport& report);

/// What multiplies the summed gradient: 1 / (weight * loss scale), and clipping to
/// training.gradient_clip_norm (Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_).
float gradient_scale(const Config::Training& settings, const StepSums& sums);

}  // namespace lockstep
