#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {
namespace {

/// `decoupled`: weight decay shrinks the weights (AdamW) instead of being added to the gradient (Adam).
template <bool decoupled>
void update(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range) {
  const auto beta1 = static_cast<float>(settings.beta1), rest1 = static_cast<float>(1.0 - settings.beta1),
             beta2 = static_cast<float>(settings.beta2), rest2 = static_cast<float>(1.0 - settings.beta2),
             eps = static_cast<float>(settings.eps), scale = range.gradient_scale,
             decay = static_cast<float>(range.weight_decay),
             keep = static_cast<float>(1.0 - range.learning_rate * range.weight_decay),
             rate = static_cast<float>(range.learning_rate / scalars.bias_correction1),
             root = static_cast<float>(std::sqrt(scalars.bias_correction2));
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict first = range.state[0];
  float* __restrict second = range.state[1];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = decoupled ? g[i] * scale : g[i] * scale + decay * p[i];
    first[i] = beta1 * first[i] + rest1 * gradient;
    second[i] = beta2 * second[i] + rest2 * (gradient * gradient);
    const float step = rate * (first[i] / (std::sqrt(second[i]) / root + eps));
    p[i] = decoupled ? keep * p[i] - step : p[i] - step;
  }
}

}  // namespace

void update_adam(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range) {
  update<false>(settings, scalars, range);
}

void update_adamw(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range) {
  update<true>(settings, scalars, range);
}

}  // namespace lockstep
