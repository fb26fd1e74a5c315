// LAMB (You et al. 2019, algorithm 2), as in timm.optim.Lamb without its own gradient clipping: first the
// direction, whose norm the trust ratio needs, then the step.
#pragma once

#include <cmath>

#include "worker/optim/element.hpp"

namespace lockstep {

struct LambDirection {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    const float gradient = arrays.gradients[i] * numbers.scale;
    const float first = numbers.beta1 * arrays.state[0][i] + numbers.rest1 * gradient;
    const float second = numbers.beta2 * arrays.state[1][i] + numbers.rest2 * (gradient * gradient);
    arrays.state[0][i] = first;
    arrays.state[1][i] = second;
    arrays.direction[i] = (first / numbers.correction) / (std::sqrt(second) / numbers.root + numbers.eps) +
                          factors.decay * arrays.parameters[i];
  }
};

struct Lamb {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers&, const Factors& factors,
                                      std::int64_t i) {
    arrays.parameters[i] = arrays.parameters[i] - factors.trusted_rate * arrays.direction[i];
  }
};

}  // namespace lockstep
