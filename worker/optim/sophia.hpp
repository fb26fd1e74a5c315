// Sophia-G (Liu et al. 2023, algorithm 3): steps of m / max(rho h, 1e-12), limited to 1. Its
// Gauss-Newton-Bartlett estimator (algorithm 2): h moves towards B g^2, where g is the mean gradient of the
// loss on labels that are sampled from the model's own softmax, and B the number of samples.
#pragma once

#include "worker/optim/element.hpp"

namespace lockstep {

struct Sophia {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    constexpr float least = 1e-12F;
    const float momentum =
        numbers.beta1 * arrays.state[0][i] + numbers.rest1 * (arrays.gradients[i] * numbers.scale);
    arrays.state[0][i] = momentum;
    const float curvature = numbers.rho * arrays.state[1][i];
    const float step = momentum / (curvature < least ? least : curvature);
    const float longest = numbers.longest, from_below = step < -longest ? -longest : step;
    const float limited = longest < from_below ? longest : from_below;
    arrays.parameters[i] = factors.keep * arrays.parameters[i] - factors.rate * limited;
  }
};

/// The gradients are sums over the samples: B (sum / B)^2.
struct Curvature {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers, const Factors&,
                                      std::int64_t i) {
    const float gradient = arrays.gradients[i];
    arrays.state[1][i] =
        numbers.beta2 * arrays.state[1][i] + numbers.rest2 * (numbers.samples_share * (gradient * gradient));
  }
};

}  // namespace lockstep
