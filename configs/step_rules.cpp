#include <algorithm>
#include <cstdlib>

#include "configs/derive.hpp"
#include "configs/rule_functions.hpp"
#include "configs/text.hpp"

namespace lockstep {

namespace {

/// The divisor of `whole` up to `largest` that is nearest to `wanted`; the smaller one of two equally near.
std::int64_t nearest_divisor(std::int64_t whole, std::int64_t wanted, std::int64_t largest) {
  std::int64_t nearest = 1;
  for (std::int64_t divisor = 1; divisor <= std::min(whole, largest); ++divisor) {
    if (whole % divisor == 0 && std::llabs(divisor - wanted) < std::llabs(nearest - wanted))
      nearest = divisor;
  }
  return nearest;
}

}  // namespace

Broken micro_batch_divides_batch(const Config& config) {
  const std::int64_t batch = config.training.batch_size;
  const std::int64_t micro = resolved_micro_batch_size(config);
  if (batch % micro == 0) return std::nullopt;
  const double largest = find_parameter("training", "micro_batch_size")->bounds.high;
  const std::int64_t divisor = nearest_divisor(batch, micro, static_cast<std::int64_t>(largest));
  return Problem{"training.micro_batch_size = " + number(micro) +
                     " does not divide training.batch_size = " + number(batch),
                 "every micro-batch of a step has the same size", "take " + number(divisor) + " or \"auto\""};
}

Broken samples_fill_a_step(const Config& config) {
  const std::int64_t step = config.training.batch_size * config.training.gradient_accumulation_steps;
  const std::int64_t samples = config.data.train_samples;
  if (samples == 0 || samples >= step) return std::nullopt;
  return Problem{"data.train_samples = " + number(samples) + " is less than one step takes",
                 "a step takes batch_size * gradient_accumulation_steps = " + number(step) + " samples",
                 "take more samples or a smaller batch"};
}

Broken repeats_fill_the_batch(const Config& config) {
  const std::int64_t repeats = config.augmentation.repeated_augmentation, batch = config.training.batch_size;
  return unless(batch % repeats == 0, {"augmentation.repeated_augmentation = " + number(repeats) +
                                           " does not divide training.batch_size = " + number(batch),
                                       "all copies of a sample belong to one batch",
                                       "take " + number(nearest_divisor(batch, repeats, 32))});
}

Broken one_clipping(const Config& config) {
  const auto& training = config.training;
  return unless(training.gradient_clip_norm == 0 || training.gradient_clip_value == 0,
                {"gradients are clipped twice", "by training.gradient_clip_norm and gradient_clip_value",
                 "keep one and set the other to 0"});
}

Broken metric_is_there(const Config& config) {
  const auto& metric = config.training.early_stopping_metric;
  return unless(
      !config.training.early_stopping || !watches_average(config.training) || config.averaging.model_ema,
      {"training.early_stopping_metric = " + quoted(metric) + " is never measured",
       "averaging.model_ema is off", "turn it on, or watch " + quoted(metric.substr(4))});
}

Broken nesterov_has_momentum(const Config& config) {
  const auto& optimizer = config.optimizer;
  const bool reads = optimizer.name == "sgd" || optimizer.name == "lars" || optimizer.name == "muon";
  if (!reads || !optimizer.nesterov || optimizer.momentum > 0) return std::nullopt;
  return Problem{"optimizer.nesterov = true has no effect with optimizer.momentum = 0",
                 "Nesterov's step looks ahead along the momentum", "set nesterov = false or momentum = 0.9"};
}

Broken explicit_weights_are_given(const Config& config) {
  const auto& loss = config.loss;
  if (loss.class_weights == "explicit" && loss.class_weight_values.empty()) {
    return Problem{"loss.class_weights = \"explicit\" has no numbers", "loss.class_weight_values is empty",
                   "write one number for each class"};
  }
  const bool zero = !loss.class_weight_values.empty() && std::ranges::max(loss.class_weight_values) == 0;
  if (zero)
    return Problem{"loss.class_weight_values are all 0", "nothing is left to learn",
                   "write a number above 0"};
  return unless(loss.class_weights == "explicit" || loss.class_weight_values.empty(),
                {"loss.class_weight_values has no effect",
                 "loss.class_weights = " + quoted(loss.class_weights), "set class_weights = \"explicit\""});
}

Broken scale_has_fp16(const Config& config) {
  const auto& precision = config.precision;
  return unless(
      precision.loss_scale == "dynamic" || precision.mixed_precision == "fp16",
      {"precision.loss_scale = " + precision.loss_scale + " has no effect",
       "only fp16 gradients vanish, and precision.mixed_precision = " + quoted(precision.mixed_precision),
       "set mixed_precision = \"fp16\" or leave loss_scale out"});
}

Broken int8_is_trained_in_float32(const Config& config) {
  return unless(!config.quantization.quantization_aware ||
                    !is_one_of(config.precision.mixed_precision, {"bf16", "fp16"}),
                {"quantization.quantization_aware contradicts precision.mixed_precision = " +
                     quoted(config.precision.mixed_precision),
                 "rounding to 8 bits is simulated in float32", "set mixed_precision = \"none\""});
}

Broken sophia_in_full_range(const Config& config) {
  return unless(config.optimizer.name != "sophia" || config.precision.mixed_precision != "fp16",
                {"optimizer.name = \"sophia\" cannot estimate the curvature in fp16",
                 "squares of small gradients vanish there, and nothing scales them",
                 "set precision.mixed_precision = \"bf16\" or \"none\""});
}

Broken sophia_samples_labels(const Config& config) {
  return unless(
      config.optimizer.name != "sophia" || config.loss.name == "cross_entropy",
      {"optimizer.name = \"sophia\" cannot estimate the curvature of loss.name = " + quoted(config.loss.name),
       "it samples labels from the softmax", "set loss.name = \"cross_entropy\""});
}

}  // namespace lockstep
