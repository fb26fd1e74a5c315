// What a micro-batch adds to the loss: a sum over its samples, and their weight, by which the step divides
// once.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "configs/config.hpp"
#include "worker/data/micro_batch.hpp"

namespace lockstep {

/// What each class counts by loss.class_weights, float64 numbers; empty when all count alike. `samples` are
/// the training samples of each class. Effective numbers: Cui et al. 2019, equation 2. Throws Error (config)
/// when loss.class_weight_values has another length.
std::vector<double> class_weights(const Config::Loss& settings, const std::vector<std::int64_t>& samples);

/// Two scalars, float32: the differentiable sum of the samples' losses, and the sum of their weights.
struct LossSums {
  at::Tensor loss, weight;
};

/// The loss of loss.name for logits, float32 [n, classes]. Targets are the batch's labels, blended where
/// MixUp or CutMix was at work, then smoothed; `weights` is float32 [classes] or undefined. A sample's weight
/// is that of its classes, in proportion. cross_entropy: torch's with label_smoothing and weight; focal: (1 -
/// p)^gamma before each class's term (Lin et al. 2017, equation 5); bce: the mean over the classes of the
/// binary cross entropy (Wightman et al. 2021; timm's BinaryCrossEntropy).
LossSums loss_sums(const at::Tensor& logits, const MicroBatch& batch, const Config::Loss& settings,
                   const at::Tensor& weights);

/// Adds a teacher: (1 - weight) of `sums` and weight times T^2 times the Kullback-Leibler divergence of the
/// softened outputs (Hinton et al. 2015), summed over the samples with their mean weight. `teacher_logits`:
/// float32 [n, classes].
LossSums with_teacher(const LossSums& sums, const at::Tensor& logits, const at::Tensor& teacher_logits,
                      const Config::Distillation& settings);

}  // namespace lockstep
