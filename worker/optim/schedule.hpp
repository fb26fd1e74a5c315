// The learning rate as a function of the step.
#pragma once

#include <cstdint>

#include "configs/config.hpp"

namespace lockstep {

/// How a run is laid out over steps; depends on the config and the number of training samples alone.
struct Extent {
  std::int64_t steps_per_epoch;  ///< whole batches; the samples left over differ from epoch to epoch
  std::int64_t total_steps;      ///< epochs x steps_per_epoch: what schedules are laid over
  std::int64_t last_step;  ///< where the run ends: total_steps, or training.max_steps if that is smaller
};
/// Throws Error (config) when there is not even one batch of samples.
Extent extent_of(const Config& config, std::int64_t train_samples);

/// Steps of warm-up: schedule.warmup_steps, or warmup_ratio of all steps, or warmup_epochs.
std::int64_t warmup_steps(const Config& config, const Extent& extent);

/// Learning rate of step `step` (from 0). Warm-up is linear: step t of W has (t + 1) / W of the rate (Goyal
/// et al. 2017). After it: constant; step: x gamma every step_epochs, counted from step 0, not below min_lr
/// (torch StepLR); cosine: from learning_rate to min_lr over the remaining steps (Loshchilov and Hutter 2017,
/// equation 5; torch CosineAnnealingLR).
double learning_rate_at(const Config& config, const Extent& extent, std::int64_t step);

}  // namespace lockstep
