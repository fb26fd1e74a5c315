// What a micro-batch yields: gradients, statistics, sums for metrics.
#pragma once

#include <vector>

#include "worker/data/micro_batch.hpp"
#include "worker/state/layout.hpp"
#include "worker/step/gradient_hooks.hpp"
#include "worker/step/workload.hpp"
#include "worker/watch/phase_clock.hpp"

namespace lockstep {

/// Forward and backward of one micro-batch, alone. Hands over to `sink` for each layout entry its leaf of the
/// tree: the sums for metrics, the micro-batch's statistics, then, as backward computes them, the gradients
/// of the sum of the samples' losses times `loss_scale`. `hooks`: of the workload's model. `clock` is told of
/// the phases; it may be null.
void forward_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      double loss_scale, const GradientSink& sink, PhaseClock* clock);

/// The same, gradients alone, of the cross entropy with labels that are drawn from the model's own softmax by
/// (seed, step, micro-batch): what Sophia estimates the curvature from.
void sampled_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      std::int64_t step, std::int64_t micro_batch, const GradientSink& sink,
                      PhaseClock& clock);

/// The statistics that the model's last forward pass left, in layout order; undefined tensors elsewhere.
std::vector<at::Tensor> statistic_leaves(Model& model, const Layout& layout);

}  // namespace lockstep
