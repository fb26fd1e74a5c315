// The stages of one step, from a micro-batch to the updated state.
#pragma once

#include <vector>

#include "configs/config.hpp"
#include "worker/data/micro_batch.hpp"
#include "worker/state.hpp"

namespace lockstep {

/// Forward and backward of one micro-batch, alone. Returns for each layout entry its leaf of the tree: the
/// gradient of the sum of the samples' losses, the micro-batch's statistics, the sums for metrics. The loss
/// is cross entropy with label smoothing (Szegedy et al. 2016; torch.nn.functional.cross_entropy with
/// reduction "sum").
std::vector<at::Tensor> forward_backward(Model& model, const Layout& layout, const MicroBatch& batch,
                                         const Config::Loss& settings);

/// What a step's sums tell all ranks.
struct StepSums {
  double loss = 0, weight = 0, correct = 0;  ///< over the samples of the step
  double gradient_norm = 0;                  ///< of the mean gradient over all parameters, before clipping
};

/// Collective: sums of squares block by block, gathered and added in block order. `gradient_sum` is this
/// rank's shard of the tree sum, float32. Throws CollectiveError.
StepSums gather_sums(Transport& transport, const TrainingState& state, const float* gradient_sum);

/// What multiplies the summed gradient: 1 / weight, and clipping to training.gradient_clip_norm (Pascanu et
/// al. 2013; torch.nn.utils.clip_grad_norm_).
float gradient_scale(const Config::Training& settings, const StepSums& sums);

/// Updates this rank's shard in one pass over its blocks: parameters and optimiser state, running statistics
/// (momentum 0.1, over the mean of the `micro_batches` statistics), then the averages with `ema_decay`.
void update_shard(TrainingState& state, const Optimizer& optimizer, const Config& config,
                  const StepScalars& scalars, double ema_decay, const float* gradient_sum, float scale,
                  std::int64_t micro_batches);

}  // namespace lockstep
