#include "worker/optim/averages.hpp"

#include <algorithm>

#include "configs/derive.hpp"

namespace lockstep {

double ema_decay_at(const Config::Averaging& settings, std::int64_t step) {
  const double t = static_cast<double>(step);
  return settings.model_ema_warmup ? std::min(settings.model_ema_decay, (1.0 + t) / (10.0 + t))
                                   : settings.model_ema_decay;
}

bool enters_mean(const Config& config, std::int64_t epoch) {
  const auto after_start = epoch - swa_start_epoch(config);
  return config.averaging.use_swa && after_start >= 1 &&
         (after_start - 1) % config.averaging.swa_every_epochs == 0;
}

}  // namespace lockstep
