#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {

void update_adamw(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range) {
  const auto beta1 = static_cast<float>(settings.beta1), beta2 = static_cast<float>(settings.beta2);
  const auto rest1 = static_cast<float>(1.0 - settings.beta1),
             rest2 = static_cast<float>(1.0 - settings.beta2);
  const auto eps = static_cast<float>(settings.eps), scale = range.gradient_scale;
  const auto keep = static_cast<float>(1.0 - scalars.learning_rate * range.weight_decay);
  const auto rate = static_cast<float>(scalars.learning_rate / scalars.bias_correction1);
  const auto root = static_cast<float>(std::sqrt(scalars.bias_correction2));
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict first = range.state[0];
  float* __restrict second = range.state[1];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = g[i] * scale;
    first[i] = beta1 * first[i] + rest1 * gradient;
    second[i] = beta2 * second[i] + rest2 * (gradient * gradient);
    p[i] = keep * p[i] - rate * (first[i] / (std::sqrt(second[i]) / root + eps));
  }
}

}  // namespace lockstep
