// RMSProp (Tieleman and Hinton 2012) with momentum, not centred: torch.optim.RMSprop.
#pragma once

#include <cmath>

#include "worker/optim/element.hpp"

namespace lockstep {

struct RmsProp {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    const float parameter = arrays.parameters[i];
    const float gradient = arrays.gradients[i] * numbers.scale + factors.decay * parameter;
    const float square = numbers.alpha * arrays.state[0][i] + numbers.rest * (gradient * gradient);
    const float momentum =
        numbers.momentum * arrays.state[1][i] + gradient / (std::sqrt(square) + numbers.eps);
    arrays.state[0][i] = square;
    arrays.state[1][i] = momentum;
    arrays.parameters[i] = parameter - factors.rate * momentum;
  }
};

}  // namespace lockstep
