#include "worker/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "common/error.hpp"

namespace lockstep {

const Optimizer& optimizer_named(const std::string& name) {
  static const Optimizer optimizers[] = {
      {"sgd", {"momentum"}, UpdateRule::sgd},
      {"adam", {"exp_avg", "exp_avg_sq"}, UpdateRule::adam},
      {"adamw", {"exp_avg", "exp_avg_sq"}, UpdateRule::adamw},
      {"rmsprop", {"square_avg", "momentum"}, UpdateRule::rmsprop},
      {"lars", {"momentum"}, UpdateRule::lars, std::nullopt, trust_of_lars},
      {"lamb", {"exp_avg", "exp_avg_sq"}, UpdateRule::lamb, UpdateRule::lamb_direction, trust_of_lamb},
      {"lion", {"exp_avg"}, UpdateRule::lion},
      {.name = "sophia",
       .state_names = {"exp_avg", "curvature"},
       .update = UpdateRule::sophia,
       .has_curvature = true},
      {.name = "muon",
       .state_names = {"exp_avg", "exp_avg_sq"},
       .update = UpdateRule::adamw,
       .update_matrix = update_muon_matrix},
  };
  for (const auto& optimizer : optimizers) {
    if (optimizer.name == name) return optimizer;
  }
  throw Error(ExitCode::bug, "optimizer.name = " + name + " has no implementation");
}

StepNumbers step_numbers(const Config::Optimizer& settings, const StepScalars& scalars, float scale) {
  return {.scale = scale,
          .momentum = static_cast<float>(settings.momentum),
          .beta1 = static_cast<float>(settings.beta1),
          .beta2 = static_cast<float>(settings.beta2),
          .rest1 = static_cast<float>(1.0 - settings.beta1),
          .rest2 = static_cast<float>(1.0 - settings.beta2),
          .alpha = static_cast<float>(settings.rmsprop_alpha),
          .rest = static_cast<float>(1.0 - settings.rmsprop_alpha),
          .eps = static_cast<float>(settings.eps),
          .rho = static_cast<float>(settings.sophia_rho),
          .correction = static_cast<float>(scalars.bias_correction1),
          .root = static_cast<float>(std::sqrt(scalars.bias_correction2)),
          .nesterov = settings.nesterov};
}

Factors factors_of(const StepScalars& scalars, const ParameterGroup& group, double trust) {
  const double rate = scalars.learning_rate * group.rate_factor;
  return {.decay = static_cast<float>(group.weight_decay),
          .keep = static_cast<float>(1.0 - rate * group.weight_decay),
          .rate = static_cast<float>(rate),
          .corrected_rate = static_cast<float>(rate / scalars.bias_correction1),
          .trust = static_cast<float>(trust),
          .trusted_rate = static_cast<float>(rate * trust)};
}

double trust_of_lars(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay) {
  if (norms.weights == 0 || norms.step == 0) return 1;
  return settings.trust_coefficient * norms.weights /
         (norms.step + weight_decay * norms.weights + settings.eps);
}

double trust_of_lamb(const Config::Optimizer& settings, const LayerNorms& norms, double) {
  const double trust = norms.weights == 0 || norms.step == 0 ? 1 : norms.weights / norms.step;
  return settings.trust_clip ? std::min(trust, 1.0) : trust;
}

}  // namespace lockstep
