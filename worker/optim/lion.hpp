// Lion (Chen et al. 2023, algorithm 2).
#pragma once

#include "worker/optim/element.hpp"

namespace lockstep {

struct Lion {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    const float gradient = arrays.gradients[i] * numbers.scale, momentum = arrays.state[0][i];
    const float direction = numbers.beta1 * momentum + numbers.rest1 * gradient;
    const float sign = static_cast<float>(direction > 0) - static_cast<float>(direction < 0);
    arrays.state[0][i] = numbers.beta2 * momentum + numbers.rest2 * gradient;
    arrays.parameters[i] = factors.keep * arrays.parameters[i] - factors.rate * sign;
  }
};

}  // namespace lockstep
