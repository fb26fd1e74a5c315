// Exponential moving average of the weights (Polyak and Juditsky 1992), sharded like the optimiser's state.
#pragma once

#include <cstdint>

#include "configs/config.hpp"

namespace lockstep {

/// The decay after step `step` (from 0): model_ema_decay, or with warm-up min(decay, (1 + step) / (10 +
/// step)), as in TensorFlow's ExponentialMovingAverage.
double ema_decay_at(const Config::Averaging& settings, std::int64_t step);

}  // namespace lockstep
