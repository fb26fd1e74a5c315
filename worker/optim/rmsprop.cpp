#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {

void update_rmsprop(const Config::Optimizer& settings, const StepScalars&, const UpdateRange& range) {
  const auto rate = static_cast<float>(range.learning_rate), momentum = static_cast<float>(settings.momentum),
             alpha = static_cast<float>(settings.rmsprop_alpha),
             rest = static_cast<float>(1.0 - settings.rmsprop_alpha), eps = static_cast<float>(settings.eps),
             decay = static_cast<float>(range.weight_decay), scale = range.gradient_scale;
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict square = range.state[0];
  float* __restrict m = range.state[1];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = g[i] * scale + decay * p[i];
    square[i] = alpha * square[i] + rest * (gradient * gradient);
    m[i] = momentum * m[i] + gradient / (std::sqrt(square[i]) + eps);
    p[i] -= rate * m[i];
  }
}

}  // namespace lockstep
