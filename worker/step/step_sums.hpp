// The sums over a step's micro-batches that all ranks receive: loss, weight, gradient norm.
#pragma once

#include <vector>

#include "worker/state/state.hpp"
#include "worker/step/shard_update.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

/// The same on all ranks. A step whose samples all have weight 0 has weight 1 and sums of 0.
struct StepSums {
  double loss = 0, weight = 0, correct = 0;  ///< over the samples of the step
  double loss_scale = 1;                     ///< the factor that the gradients include
  double gradient_norm = 0;                  ///< of the mean gradient over all parameters, before clipping
  std::vector<RankReport> reports = {};      ///< one per rank, in rank order
};

/// Collective: all-gathers the sum of squares of every block, and adds them in block order. `gradient_sum`:
/// this rank's shard of the tree sum times `loss_scale`, float32 [shard.size()] on the state's device.
/// `report` travels in the same messages; it has details on all ranks or on none. Throws CollectiveError.
StepSums gather_sums(Transport& transport, const TrainingState& state, const ShardUpdate& update,
                     const at::Tensor& gradient_sum, double loss_scale, const RankReport& report);

/// The factor on the summed gradient: 1 / (weight * loss scale), times the factor that clips the norm to
/// training.gradient_clip_norm (Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_).
float gradient_scale(const Config::Training& settings, const StepSums& sums);

}  // namespace lockstep
