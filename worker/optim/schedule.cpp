#include "worker/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/error.hpp"

namespace lockstep {

Extent extent_of(const Config& config, std::int64_t train_samples) {
  const auto per_step = config.training.batch_size * config.training.gradient_accumulation_steps;
  Extent extent;
  extent.steps_per_epoch = train_samples / per_step;
  if (extent.steps_per_epoch == 0) {
    throw Error(ExitCode::config,
                "training.batch_size x training.gradient_accumulation_steps = " + std::to_string(per_step) +
                    " is larger than the training set",
                std::to_string(train_samples) + " samples", "lower training.batch_size");
  }
  extent.total_steps = config.training.epochs * extent.steps_per_epoch;
  const auto limit = config.training.max_steps;
  extent.last_step = limit > 0 ? std::min(limit, extent.total_steps) : extent.total_steps;
  return extent;
}

std::int64_t warmup_steps(const Config& config, const Extent& extent) {
  const auto& schedule = config.schedule;
  if (schedule.warmup_steps > 0) return schedule.warmup_steps;
  if (schedule.warmup_epochs > 0) return schedule.warmup_epochs * extent.steps_per_epoch;
  return std::llround(schedule.warmup_ratio * static_cast<double>(extent.total_steps));
}

double learning_rate_at(const Config& config, const Extent& extent, std::int64_t step) {
  const double base = config.optimizer.learning_rate, lowest = config.schedule.min_lr;
  const auto warmup = warmup_steps(config, extent);
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (config.schedule.name == "cosine") {
    const auto remaining = std::max<std::int64_t>(extent.total_steps - warmup, 1);
    const double progress = static_cast<double>(step - warmup) / static_cast<double>(remaining);
    return lowest + 0.5 * (base - lowest) * (1.0 + std::cos(std::numbers::pi * progress));
  }
  if (config.schedule.name == "step") {
    const auto drops = step / extent.steps_per_epoch / config.schedule.step_epochs;
    return std::max(lowest, base * std::pow(config.schedule.gamma, static_cast<double>(drops)));
  }
  return base;
}

}  // namespace lockstep
