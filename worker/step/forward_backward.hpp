// The results of one micro-batch: gradients, batch statistics, metric sums.
#pragma once

#include <vector>

#include "worker/data/micro_batch.hpp"
#include "worker/state/layout.hpp"
#include "worker/step/gradient_hooks.hpp"
#include "worker/step/workload.hpp"
#include "worker/watch/phase_clock.hpp"

namespace lockstep {

/// Runs forward and backward on one micro-batch. Not collective. Passes each layout entry's leaf of the tree
/// to `sink`: the metric sums, the micro-batch's statistics, then, as backward computes them, the gradients
/// of the sum of the samples' losses times `loss_scale`. `hooks`: those of the workload's model. `clock`
/// measures the phases; it may be null.
void forward_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      double loss_scale, const GradientSink& sink, PhaseClock* clock);

/// The same for the cross entropy with labels drawn from the model's own softmax, keyed by (seed, step,
/// micro-batch); only gradients are passed on. Sophia estimates the curvature from them.
void sampled_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      std::int64_t step, std::int64_t micro_batch, const GradientSink& sink,
                      PhaseClock& clock);

/// One tensor for each layout entry: the batch statistics of the model's last forward pass, undefined for
/// entries that are no statistics.
std::vector<at::Tensor> statistic_leaves(Model& model, const Layout& layout);

}  // namespace lockstep
