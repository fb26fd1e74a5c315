#include "configs/derive.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

constexpr std::int64_t kLargest =
    32;  // more gains nothing on a CPU core, and leaves fewer micro-batches to divide among ranks
constexpr std::int64_t kSmallest =
    8;  // fewer give poor batch-norm statistics, and the overhead of calls dominates
constexpr std::int64_t kWantedPerStep = 8;

std::int64_t auto_micro_batch_size(std::int64_t batch_size, std::int64_t samples_per_step) {
  std::int64_t largest_with_enough = 0, smallest = 0, largest_below = 1;
  for (std::int64_t size = 1; size <= std::min(kLargest, batch_size); ++size) {
    if (batch_size % size != 0) continue;
    if (size < kSmallest) {
      largest_below = size;
      continue;
    }
    if (smallest == 0) smallest = size;
    if (samples_per_step / size >= kWantedPerStep) largest_with_enough = size;
  }
  if (largest_with_enough > 0) return largest_with_enough;
  return smallest > 0 ? smallest : largest_below;
}

}  // namespace

std::string run_folder(const Config& config, const std::string& asked) {
  if (!asked.empty()) return asked;
  return config.run.output.empty() ? "runs/" + config.run.name : config.run.output;
}

std::int64_t samples_per_step(const Config& config) {
  return config.training.batch_size * config.training.gradient_accumulation_steps;
}

double scaled_learning_rate(const Config& config) {
  const auto& optimizer = config.optimizer;
  const double ratio =
      static_cast<double>(samples_per_step(config)) / static_cast<double>(optimizer.lr_scaling_base_batch);
  if (optimizer.lr_scaling == "linear") return optimizer.learning_rate * ratio;
  if (optimizer.lr_scaling == "sqrt") return optimizer.learning_rate * std::sqrt(ratio);
  return optimizer.learning_rate;
}

bool watches_average(const Config::Training& settings) {
  return settings.early_stopping_metric.starts_with("ema_");
}

std::int64_t swa_start_epoch(const Config& config) {
  return config.averaging.swa_start_epoch.value_or(config.training.epochs * 3 / 4);
}

std::int64_t resolved_micro_batch_size(const Config& config) {
  const auto& training = config.training;
  if (training.micro_batch_size) return *training.micro_batch_size;
  return auto_micro_batch_size(training.batch_size, samples_per_step(config));
}

std::int64_t micro_batches_per_step(const Config& config) {
  return samples_per_step(config) / resolved_micro_batch_size(config);
}

}  // namespace lockstep
