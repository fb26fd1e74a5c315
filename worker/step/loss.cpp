#include "worker/step/loss.hpp"

#include <cmath>
#include <numeric>

#include "common/error.hpp"

namespace lockstep {
namespace {

double unscaled_weight(const Config::Loss& settings, std::int64_t samples) {
  const auto n = static_cast<double>(samples);
  if (samples == 0) return 0;
  if (settings.class_weights == "inverse_frequency") return 1 / n;
  if (settings.class_weights == "inverse_sqrt") return 1 / std::sqrt(n);
  return (1 - settings.effective_number_beta) / (1 - std::pow(settings.effective_number_beta, n));
}

/// One-hot labels, blended: float32 [n, classes].
at::Tensor targets(const MicroBatch& batch, std::int64_t classes) {
  const auto target = at::one_hot(batch.labels, classes).to(at::kFloat);
  if (!batch.other_labels.defined()) return target;
  return batch.share * target + (1 - batch.share) * at::one_hot(batch.other_labels, classes).to(at::kFloat);
}

/// float32 [n]
at::Tensor sample_losses(const at::Tensor& logits, const at::Tensor& target, const Config::Loss& settings,
                         const at::Tensor& weights) {
  if (settings.name == "bce") {
    const auto losses =
        at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None).mean(1);
    return weights.defined() ? losses * at::mv(target, weights) : losses;
  }
  constexpr double least = 1e-12;  // nearer to 0, a power with gamma < 1 has no finite slope
  const auto logarithms = at::log_softmax(logits, 1);
  auto terms = target * logarithms;
  if (settings.name == "focal")
    terms = terms * (1 - logarithms.exp()).clamp_min(least).pow(settings.focal_gamma);
  return weights.defined() ? -at::mv(terms, weights) : -terms.sum(1);
}

}  // namespace

std::vector<double> class_weights(const Config::Loss& settings, const std::vector<std::int64_t>& samples) {
  if (settings.class_weights == "none") return {};
  if (settings.class_weights == "explicit") {
    const auto& given = settings.class_weight_values;
    if (given.size() == samples.size()) {
      if (std::inner_product(given.begin(), given.end(), samples.begin(), 0.0) > 0) return given;
      throw Error(ExitCode::config, "loss.class_weight_values are 0 for all classes of the training set",
                  "nothing is left to learn", "write a number above 0 for one of them at least");
    }
    throw Error(
        ExitCode::config,
        "loss.class_weight_values has " + std::to_string(settings.class_weight_values.size()) + " numbers",
        "the data have " + std::to_string(samples.size()) + " classes", "give one number for each class");
  }
  std::vector<double> weights;
  double weighted = 0;
  for (const auto count : samples) {
    weights.push_back(unscaled_weight(settings, count));
    weighted += weights.back() * static_cast<double>(count);
  }
  const auto all = static_cast<double>(std::accumulate(samples.begin(), samples.end(), std::int64_t{0}));
  for (auto& weight : weights) weight *= all / weighted;  // the mean weight of a sample is then 1
  return weights;
}

LossSums loss_sums(const at::Tensor& logits, const MicroBatch& batch, const Config::Loss& settings,
                   const at::Tensor& weights) {
  const bool blended = batch.other_labels.defined();
  if (settings.name == "cross_entropy" && !blended) {
    const auto loss = at::cross_entropy_loss(logits, batch.labels, weights, at::Reduction::Sum, -100,
                                             settings.label_smoothing);
    const auto weight = weights.defined()
                            ? weights.index_select(0, batch.labels).sum()
                            : at::full({}, static_cast<double>(batch.labels.size(0)), loss.options());
    return {loss, weight.detach()};
  }
  const auto classes = logits.size(1);
  const auto target = targets(batch, classes);
  const auto smoothed =
      target * (1 - settings.label_smoothing) + settings.label_smoothing / static_cast<double>(classes);
  const auto weight = weights.defined() ? at::mv(target, weights).sum() : target.sum();
  return {sample_losses(logits, smoothed, settings, weights).sum(), weight};
}

LossSums with_teacher(const LossSums& sums, const at::Tensor& logits, const at::Tensor& teacher_logits,
                      const Config::Distillation& settings) {
  const double t = settings.temperature;
  const auto student = at::log_softmax(logits / t, 1), teacher = at::log_softmax(teacher_logits / t, 1);
  const auto divergence = (teacher.exp() * (teacher - student)).sum();
  const auto mean_weight = sums.weight / static_cast<double>(logits.size(0));
  return {(1 - settings.weight) * sums.loss + (settings.weight * t * t) * mean_weight * divergence,
          sums.weight};
}

}  // namespace lockstep
