// What a micro-batch and a step yield: gradients, statistics, sums for metrics.
#pragma once

#include <vector>

#include "worker/data/micro_batch.hpp"
#include "worker/state/state.hpp"
#include "worker/step/gradient_hooks.hpp"
#include "worker/step/workload.hpp"
#include "worker/watch/phase_clock.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

class ShardUpdate;

/// Forward and backward of one micro-batch, alone. Delivers for each layout entry its leaf of the tree: the
/// sums for metrics, the micro-batch's statistics, then, as backward computes them, the gradients of the sum
/// of the samples' losses times `loss_scale`. `clock` gets the phases; it may be null.
void forward_backward(const Workload& workload, const MicroBatch& batch, double loss_scale,
                      const LeafDelivery& leaf, PhaseClock* clock);

/// The same, gradients alone, of the cross entropy with labels that are drawn from the model's own softmax by
/// (seed, step, micro-batch): what Sophia estimates the curvature from.
void sampled_backward(const Workload& workload, const MicroBatch& batch, std::int64_t step,
                      std::int64_t micro_batch, PhaseClock& clock);

/// The statistics that the model's last forward pass left, in layout order; undefined tensors elsewhere.
std::vector<at::Tensor> statistic_leaves(Model& model, const Layout& layout);

/// What a step's sums tell all ranks. A step whose samples all weigh 0 has weight 1 and sums of 0.
struct StepSums {
  double loss = 0, weight = 0, correct = 0;  ///< over the samples of the step
  double gradient_norm = 0;                  ///< of the mean gradient over all parameters, before clipping
  Reports reports = {};                      ///< what came with the numbers; no part of them
};

/// Collective: sums of squares block by block, gathered and added in block order. `gradient_sum` is this
/// rank's shard of the tree sum, float32 on the state's device, times `loss_scale`. `report` travels in the
/// same messages: what this rank tells the others of its time and its saving, as many numbers on each rank.
/// Throws CollectiveError.
StepSums gather_sums(Transport& transport, const TrainingState& state, const ShardUpdate& update,
                     const at::Tensor& gradient_sum, double loss_scale, const std::vector<double>& report);

/// What multiplies the summed gradient: 1 / (weight * loss_scale), and clipping to
/// training.gradient_clip_norm (Pascanu et al. 2013; torch.nn.utils.clip_grad_norm_).
float gradient_scale(const Config::Training& settings, const StepSums& sums, double loss_scale);

}  // namespace lockstep
