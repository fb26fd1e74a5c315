#include "worker/optim/optimizer.hpp"

namespace lockstep {

void update_lion(const Config::Optimizer& settings, const StepScalars&, const UpdateRange& range) {
  const auto beta1 = static_cast<float>(settings.beta1), rest1 = static_cast<float>(1.0 - settings.beta1),
             beta2 = static_cast<float>(settings.beta2), rest2 = static_cast<float>(1.0 - settings.beta2),
             rate = static_cast<float>(range.learning_rate), scale = range.gradient_scale,
             keep = static_cast<float>(1.0 - range.learning_rate * range.weight_decay);
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict m = range.state[0];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = g[i] * scale;
    const float direction = beta1 * m[i] + rest1 * gradient;
    const float sign = static_cast<float>(direction > 0) - static_cast<float>(direction < 0);
    m[i] = beta2 * m[i] + rest2 * gradient;
    p[i] = keep * p[i] - rate * sign;
  }
}

}  // namespace lockstep
