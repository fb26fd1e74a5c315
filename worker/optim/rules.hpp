// All rules for one element, under their names. C++17, because nvcc reads it too.
#pragma once

#include "worker/optim/adam.hpp"
#include "worker/optim/average_elements.hpp"
#include "worker/optim/lamb.hpp"
#include "worker/optim/lars.hpp"
#include "worker/optim/lion.hpp"
#include "worker/optim/rmsprop.hpp"
#include "worker/optim/sgd.hpp"
#include "worker/optim/sophia.hpp"

namespace lockstep {

/// A running statistic moves by momentum 0.1 towards the mean of the micro-batches' statistics, as in
/// torch.nn.BatchNorm2d.
struct Statistics {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers, const Factors&,
                                      std::int64_t i) {
    constexpr float momentum = 0.1F;
    const float running = arrays.parameters[i];
    arrays.parameters[i] = running + momentum * (arrays.gradients[i] * numbers.statistics_share - running);
  }
};

/// torch.nn.utils.clip_grad_value_, applied to the sum before it is scaled.
struct Clip {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays& arrays, const StepNumbers& numbers, const Factors&,
                                      std::int64_t i) {
    const float value = arrays.gradients[i], limit = numbers.limit;
    const float from_below = value < -limit ? -limit : value;
    arrays.gradients[i] = limit < from_below ? limit : from_below;
  }
};

struct None {
  LOCKSTEP_HOST_DEVICE static void at(const ShardArrays&, const StepNumbers&, const Factors&, std::int64_t) {}
};

/// Updates one element and, with `averaged`, its moving average in the same pass.
template <class Element, bool averaged>
LOCKSTEP_HOST_DEVICE inline void update_element(const ShardArrays& arrays, const StepNumbers& numbers,
                                                const Factors& factors, std::int64_t i) {
  Element::at(arrays, numbers, factors, i);
  if (averaged) move_average(arrays, numbers, i);
}

/// Calls `action` with a value of the struct that `rule` names, and returns what it returns.
template <class Action>
auto with_element(UpdateRule rule, const Action& action) {
  switch (rule) {
    case UpdateRule::sgd:
      return action(Sgd());
    case UpdateRule::adam:
      return action(Adam());
    case UpdateRule::adamw:
      return action(AdamW());
    case UpdateRule::rmsprop:
      return action(RmsProp());
    case UpdateRule::lars:
      return action(Lars());
    case UpdateRule::lamb_direction:
      return action(LambDirection());
    case UpdateRule::lamb:
      return action(Lamb());
    case UpdateRule::lion:
      return action(Lion());
    case UpdateRule::sophia:
      return action(Sophia());
    case UpdateRule::curvature:
      return action(Curvature());
    case UpdateRule::statistics:
      return action(Statistics());
    case UpdateRule::clip:
      return action(Clip());
    case UpdateRule::mean:
      return action(Mean());
    case UpdateRule::none:
      break;
  }
  return action(None());
}

}  // namespace lockstep
