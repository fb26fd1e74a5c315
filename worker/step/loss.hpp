// A micro-batch's part of the loss: the sum over its samples, and the sum of their weights. The step divides
// once, by the weights of all its samples.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "configs/config.hpp"
#include "worker/data/micro_batch.hpp"

namespace lockstep {

/// The weight of each class by loss.class_weights, float64; empty if all are equal. `samples`: how many
/// training samples each class has. Effective numbers: Cui et al. 2019, equation 2. Throws Error (config)
/// when loss.class_weight_values has another length.
std::vector<double> class_weights(const Config::Loss& settings, const std::vector<std::int64_t>& samples);

/// Two scalars, float32: the differentiable sum of the samples' losses, and the sum of their weights.
struct LossSums {
  at::Tensor loss, weight;
};

/// The loss of loss.name for logits, float32 [n, classes]. Targets are the batch's labels, blended if MixUp
/// or CutMix was applied, then smoothed; `weights` is float32 [classes] or undefined. A sample's weight is
/// that of its classes, in the proportion of the blend. cross_entropy: torch's with label_smoothing and
/// weight; focal: (1 - p)^gamma before each class's term (Lin et al. 2017, equation 5); bce: the mean over
/// the classes of the binary cross entropy (Wightman et al. 2021; timm's BinaryCrossEntropy).
LossSums loss_sums(const at::Tensor& logits, const MicroBatch& batch, const Config::Loss& settings,
                   const at::Tensor& weights);

/// Adds the teacher's loss (Hinton et al. 2015), with w = settings.weight and T = settings.temperature: (1 -
/// w) x `sums` + w T^2 x the Kullback-Leibler divergence of the softened outputs, summed over the samples and
/// times their mean weight. `teacher_logits`: float32 [n, classes].
LossSums with_teacher(const LossSums& sums, const at::Tensor& logits, const at::Tensor& teacher_logits,
                      const Config::Distillation& settings);

}  // namespace lockstep
