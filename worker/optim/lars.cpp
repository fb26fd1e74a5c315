#include "worker/optim/optimizer.hpp"

namespace lockstep {

double trust_of_lars(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay) {
  if (norms.weights == 0 || norms.step == 0) return 1;
  return settings.trust_coefficient * norms.weights /
         (norms.step + weight_decay * norms.weights + settings.eps);
}

void update_lars(const Config::Optimizer& settings, const StepScalars&, const UpdateRange& range) {
  const auto rate = static_cast<float>(range.learning_rate), momentum = static_cast<float>(settings.momentum),
             decay = static_cast<float>(range.weight_decay), scale = range.gradient_scale,
             trust = static_cast<float>(range.trust);
  const bool nesterov = settings.nesterov;
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict m = range.state[0];
  for (std::int64_t i = 0; i < range.count; ++i) {
    const float gradient = trust * (g[i] * scale + decay * p[i]);
    m[i] = momentum * m[i] + gradient;
    p[i] -= rate * (nesterov ? gradient + momentum * m[i] : m[i]);
  }
}

}  // namespace lockstep
