// Adam (Kingma and Ba 2015, algorithm 1) with weight decay added to the gradient: torch.optim.Adam. AdamW
// (Loshchilov and Hutter 2019, algorithm 2), with decoupled weight decay: torch.optim.AdamW.
#pragma once

#include <cmath>

#include "worker/optim/element.hpp"

namespace lockstep {

template <bool decoupled>
struct AdamOf {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers,
                                      const Factors& factors, std::int64_t i) {
    const float parameter = arrays.parameters[i], scaled = arrays.gradients[i] * numbers.scale;
    const float gradient = decoupled ? scaled : scaled + factors.decay * parameter;
    const float first = numbers.beta1 * arrays.state[0][i] + numbers.rest1 * gradient;
    const float second = numbers.beta2 * arrays.state[1][i] + numbers.rest2 * (gradient * gradient);
    arrays.state[0][i] = first;
    arrays.state[1][i] = second;
    const float step = factors.corrected_rate * (first / (std::sqrt(second) / numbers.root + numbers.eps));
    arrays.parameters[i] = decoupled ? factors.keep * parameter - step : parameter - step;
  }
};

using Adam = AdamOf<false>;
using AdamW = AdamOf<true>;

}  // namespace lockstep
