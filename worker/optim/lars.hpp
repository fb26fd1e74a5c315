// LARS (You et al. 2017, algorithm 1); momentum is applied after the layer's rate, as in timm.optim.Lars.
#pragma once

#include "worker/optim/element.hpp"

namespace lockstep {

struct Lars {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    const float parameter = arrays.parameters[i];
    const float gradient = factors.trust * (arrays.gradients[i] * numbers.scale + factors.decay * parameter);
    const float momentum = numbers.momentum * arrays.state[0][i] + gradient;
    arrays.state[0][i] = momentum;
    const float step = numbers.nesterov ? gradient + numbers.momentum * momentum : momentum;
    arrays.parameters[i] = parameter - factors.rate * step;
  }
};

}  // namespace lockstep
