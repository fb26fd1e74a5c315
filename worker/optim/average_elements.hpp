// The averages of one element of the weights. C++17, because nvcc reads it too.
#pragma once

#include "worker/optim/element.hpp"

namespace lockstep {

/// The exponential moving average (Polyak and Juditsky 1992): average + (1 - decay) (value - average);
/// running statistics are averaged like weights, as in timm's ModelEma.
LOCKSTEP_HOST_DEVICE inline void move_average(const ShardArrays& arrays, const StepNumbers& numbers,
                                              std::int64_t i) {
  const float average = arrays.ema[i];
  arrays.ema[i] = average + numbers.ema_weight * (arrays.parameters[i] - average);
}

/// Stochastic weight averaging (Izmailov et al. 2018): mean + (weights - mean) / member, as
/// torch.optim.swa_utils.AveragedModel.
struct Mean {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers, const Factors&,
                                      std::int64_t i) {
    const float mean = arrays.swa[i];
    arrays.swa[i] = mean + (arrays.parameters[i] - mean) / numbers.member;
  }
};

}  // namespace lockstep
