#include "worker/averaging/ema.hpp"

#include <algorithm>

namespace lockstep {

double ema_decay_at(const Config::Averaging& settings, std::int64_t step) {
  const double t = static_cast<double>(step);
  return settings.model_ema_warmup ? std::min(settings.model_ema_decay, (1.0 + t) / (10.0 + t))
                                   : settings.model_ema_decay;
}

void update_ema(float* __restrict average, const float* __restrict value, std::int64_t count, double decay) {
  const auto weight = static_cast<float>(1.0 - decay);
  for (std::int64_t i = 0; i < count; ++i) average[i] += weight * (value[i] - average[i]);
}

}  // namespace lockstep
