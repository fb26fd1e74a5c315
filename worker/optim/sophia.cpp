#include <algorithm>
#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {

void estimate_curvature(const Config::Optimizer& settings, const float* __restrict sampled_gradients,
                        double samples, float* __restrict curvature, std::int64_t count) {
  // The gradients are sums over the samples: B * (sum / B)^2.
  const auto beta2 = static_cast<float>(settings.beta2), rest2 = static_cast<float>(1.0 - settings.beta2),
             share = static_cast<float>(1.0 / samples);
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = sampled_gradients[i];
    curvature[i] = beta2 * curvature[i] + rest2 * (share * (gradient * gradient));
  }
}

void update_sophia(const Config::Optimizer& settings, const StepScalars&, const UpdateRange& range) {
  constexpr float least = 1e-12F;
  const auto beta1 = static_cast<float>(settings.beta1), rest1 = static_cast<float>(1.0 - settings.beta1),
             rho = static_cast<float>(settings.sophia_rho), rate = static_cast<float>(range.learning_rate),
             scale = range.gradient_scale,
             keep = static_cast<float>(1.0 - range.learning_rate * range.weight_decay);
  float* __restrict p = range.parameters;
  const float* __restrict g = range.gradients;
  float* __restrict m = range.state[0];
  const float* __restrict curvature = range.state[1];
  for (std::int64_t i = 0; i < range.count; ++i) {
    m[i] = beta1 * m[i] + rest1 * (g[i] * scale);
    const float step = m[i] / std::max(rho * curvature[i], least);
    p[i] = keep * p[i] - rate * std::min(std::max(step, -1.0F), 1.0F);
  }
}

}  // namespace lockstep
