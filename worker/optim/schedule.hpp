// The learning rate as a function of the step.
#pragma once

#include <cstdint>
#include <string>

#include "configs/config.hpp"

namespace lockstep {

/// How a run is laid out over steps; depends on the config and the number of training samples alone.
struct Extent {
  std::int64_t steps_per_epoch;  ///< whole batches; the samples left over differ from epoch to epoch
  std::int64_t total_steps;      ///< epochs x steps_per_epoch: the length of schedules
  std::int64_t last_step;  ///< where the run ends: total_steps, or training.max_steps if that is smaller
};
/// Throws Error (config) when there is not even one batch of samples, or the warm-up is longer than the run.
Extent extent_of(const Config& config, std::int64_t train_samples);

/// Steps of warm-up: schedule.warmup_steps, or warmup_ratio of all steps, or warmup_epochs.
std::int64_t warmup_steps(const Config& config, const Extent& extent);

/// How scaled_learning_rate is calculated, for users: "0.1 x 1024 / 256 = 0.4 (linear scaling to the 1024
/// samples of a step)"; "" without scaling.
std::string scaling_in_words(const Config& config);

/// Learning rate of step `step` (from 0); `drops`: how often the plateau schedule has lowered it so far. base
/// is scaled_learning_rate.
///
/// Warm-up: step t of W has (t + 1) / W of base, or with a cosine (1 - cos(pi (t + 1) / W)) / 2 of it. The
/// last cooldown_epochs have min_lr; the schedule spans the steps before them. The schedules after warm-up,
/// with their names in torch.optim.lr_scheduler: constant; step (StepLR), multistep (MultiStepLR),
/// exponential (ExponentialLR): gamma by epochs from step 0, not below min_lr; cosine from base to min_lr
/// over the steps after warm-up (Loshchilov and Hutter 2017, equation 5; CosineAnnealingLR); cosine_restarts
/// (CosineAnnealingWarmRestarts, by steps); onecycle (OneCycleLR with cosines, without its cycle of
/// momentum); polynomial (PolynomialLR, down to min_lr); plateau (ReduceLROnPlateau). From swa_start_epoch
/// on, the rate is averaging.swa_lr if that is given.
double learning_rate_at(const Config& config, const Extent& extent, std::int64_t step, std::int64_t drops);

}  // namespace lockstep
