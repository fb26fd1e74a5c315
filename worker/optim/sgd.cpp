#include "worker/optim/optimizer.hpp"

namespace lockstep {

void update_sgd(const Config::Optimizer& settings, const StepScalars&, const UpdateRange& range) {
  const auto rate = static_cast<float>(range.learning_rate), momentum = static_cast<float>(settings.momentum),
             decay = static_cast<float>(range.weight_decay), scale = range.gradient_scale;
  const bool nesterov = settings.nesterov;
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict m = range.state[0];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = g[i] * scale + decay * p[i];
    m[i] = momentum * m[i] + gradient;
    p[i] -= rate * (nesterov ? gradient + momentum * m[i] : m[i]);
  }
}

}  // namespace lockstep
