#include <algorithm>
#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {

void direction_of_lamb(const Config::Optimizer& settings, const StepScalars& scalars,
                       const UpdateRange& range) {
  const auto beta1 = static_cast<float>(settings.beta1), rest1 = static_cast<float>(1.0 - settings.beta1),
             beta2 = static_cast<float>(settings.beta2), rest2 = static_cast<float>(1.0 - settings.beta2),
             eps = static_cast<float>(settings.eps), decay = static_cast<float>(range.weight_decay),
             scale = range.gradient_scale, correction = static_cast<float>(scalars.bias_correction1),
             root = static_cast<float>(std::sqrt(scalars.bias_correction2));
  const float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict first = range.state[0];
  float* __restrict second = range.state[1];
  float* __restrict direction = range.direction;
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = g[i] * scale;
    first[i] = beta1 * first[i] + rest1 * gradient;
    second[i] = beta2 * second[i] + rest2 * (gradient * gradient);
    direction[i] = (first[i] / correction) / (std::sqrt(second[i]) / root + eps) + decay * p[i];
  }
}

double trust_of_lamb(const Config::Optimizer& settings, const LayerNorms& norms, double) {
  const double trust = norms.weights == 0 || norms.step == 0 ? 1 : norms.weights / norms.step;
  return settings.trust_clip ? std::min(trust, 1.0) : trust;
}

void update_lamb(const Config::Optimizer&, const StepScalars&, const UpdateRange& range) {
  const auto rate = static_cast<float>(range.learning_rate * range.trust);
  float* __restrict p = range.parameters;
  const float* __restrict direction = range.direction;
  for (std::int64_t i = 0; i < range.count; ++i) p[i] -= rate * direction[i];
}

}  // namespace lockstep
