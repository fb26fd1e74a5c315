#include "worker/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/error.hpp"
#include "configs/derive.hpp"
#include "configs/value.hpp"

namespace lockstep {

Extent extent_of(const Config& config, std::int64_t train_samples) {
  const auto per_step = samples_per_step(config);
  Extent extent;
  extent.steps_per_epoch = train_samples / per_step;
  if (extent.steps_per_epoch == 0) {
    throw Error(ExitCode::config,
                "training.batch_size x training.gradient_accumulation_steps = " + std::to_string(per_step) +
                    " is larger than the training set",
                std::to_string(train_samples) + " samples", "lower training.batch_size");
  }
  extent.total_steps = config.training.epochs * extent.steps_per_epoch;
  const auto warmup = warmup_steps(config, extent);
  const auto scheduled = extent.total_steps - config.schedule.cooldown_epochs * extent.steps_per_epoch;
  if (warmup > scheduled) {
    throw Error(ExitCode::config,
                "the warm-up of " + std::to_string(warmup) + " steps is longer than the run",
                "it has " + std::to_string(scheduled) + " steps before its cool-down",
                "shorten the warm-up, or raise training.epochs");
  }
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

std::string scaling_in_words(const Config& config) {
  const auto& optimizer = config.optimizer;
  if (optimizer.lr_scaling == "none") return "";
  const bool root = optimizer.lr_scaling == "sqrt";
  const auto samples = std::to_string(samples_per_step(config));
  const auto ratio = samples + " / " + std::to_string(optimizer.lr_scaling_base_batch);
  return real_text(optimizer.learning_rate) + " x " + (root ? "sqrt(" + ratio + ")" : ratio) + " = " +
         real_text(scaled_learning_rate(config)) + " (" + optimizer.lr_scaling + " scaling to the " +
         samples + " samples of a step)";
}

namespace {

/// Falls from 1 to 0 along half a cosine.
double falling_cosine(double progress) { return 0.5 * (1.0 + std::cos(std::numbers::pi * progress)); }

double restarted_cosine(const Config::Schedule& schedule, const Extent& extent, std::int64_t step) {
  auto cycle = schedule.restart_epochs * extent.steps_per_epoch;
  while (step >= cycle) {
    step -= cycle;
    cycle *= schedule.restart_factor;
  }
  return falling_cosine(static_cast<double>(step) / static_cast<double>(cycle));
}

double onecycle(const Config::Schedule& schedule, double highest, double step, double steps) {
  const double first = highest / schedule.onecycle_start_factor, last = first / schedule.onecycle_end_factor;
  const double top = schedule.onecycle_rise * steps - 1, end = steps - 1;
  if (step < top) return highest + (first - highest) * falling_cosine(step / top);
  return last + (highest - last) * falling_cosine((step - top) / (end - top));
}

/// The factor on base after the drops so far, for the schedules that drop at epochs.
double stepwise_factor(const Config::Schedule& schedule, std::int64_t epoch, std::int64_t drops) {
  if (schedule.name == "exponential") drops = epoch;
  if (schedule.name == "step") drops = epoch / schedule.step_epochs;
  if (schedule.name == "multistep") {
    drops = std::ranges::count_if(schedule.milestones, [&](auto milestone) { return milestone <= epoch; });
  }
  return std::pow(schedule.gamma, static_cast<double>(drops));
}

}  // namespace

double learning_rate_at(const Config& config, const Extent& extent, std::int64_t step, std::int64_t drops) {
  const auto& schedule = config.schedule;
  const double base = scaled_learning_rate(config), lowest = schedule.min_lr;
  const auto epoch = step / extent.steps_per_epoch;
  if (config.averaging.use_swa && config.averaging.swa_lr && epoch >= swa_start_epoch(config)) {
    return *config.averaging.swa_lr;
  }
  const auto warmup = warmup_steps(config, extent);
  if (step < warmup) {
    const auto done = static_cast<double>(step + 1), all = static_cast<double>(warmup);
    return schedule.warmup_method == "cosine" ? base * (1.0 - falling_cosine(done / all)) : base * done / all;
  }
  const auto end = extent.total_steps - schedule.cooldown_epochs * extent.steps_per_epoch;
  if (schedule.cooldown_epochs > 0 && step >= end) return lowest;
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(end - warmup, 1));
  if (schedule.name == "constant") return base;
  if (schedule.name == "cosine") return lowest + (base - lowest) * falling_cosine(progress);
  if (schedule.name == "cosine_restarts") {
    return lowest + (base - lowest) * restarted_cosine(schedule, extent, step - warmup);
  }
  if (schedule.name == "polynomial") {
    return lowest + (base - lowest) * std::pow(1.0 - progress, schedule.polynomial_power);
  }
  if (schedule.name == "onecycle") {
    return onecycle(schedule, base, static_cast<double>(step), static_cast<double>(end));
  }
  return std::max(lowest, base * stepwise_factor(schedule, epoch, drops));
}

}  // namespace lockstep
