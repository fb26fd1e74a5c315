#include "worker/averaging/ema.hpp"

#include <algorithm>

namespace lockstep {

double ema_decay_at(const Config::Averaging& settings, std::int64_t step) {
  const double t = static_cast<double>(step);
  return settings.model_ema_warmup ? std::min(settings.model_ema_decay, (1.0 + t) / (10.0 + t))
                                   : settings.model_ema_decay;
}

}  // namespace lockstep
