// When and by how much the averages of the weights are updated: the exponential moving average (Polyak and
// Juditsky 1992), and the mean over the ends of epochs (SWA, Izmailov et al. 2018). Both are sharded like the
// optimiser's state.
#pragma once

#include <cstdint>

#include "configs/config.hpp"

namespace lockstep {

/// The decay after step `step` (from 0): model_ema_decay, or with warm-up min(decay, (1 + step) / (10 +
/// step)), as in TensorFlow's ExponentialMovingAverage.
double ema_decay_at(const Config::Averaging& settings, std::int64_t step);

/// Whether the weights at the end of epoch `epoch` (from 1) enter the SWA mean: those of every
/// swa_every_epochs-th epoch, beginning with epoch swa_start_epoch() + 1.
bool enters_mean(const Config& config, std::int64_t epoch);

}  // namespace lockstep
