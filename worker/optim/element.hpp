// The inputs of the update of one element. C++17 and without torch, because nvcc reads it too: host loops and
// GPU kernels share one source for the arithmetic of each optimiser.
#pragma once

#include <cstdint>

#include "collectives/host_device.hpp"

namespace lockstep {

/// The update of an element. For each value, rules.hpp has a struct with a function at(arrays, numbers,
/// factors, i).
enum class UpdateRule : std::uint8_t {
  sgd,
  adam,
  adamw,
  rmsprop,
  lars,
  lamb_direction,
  lamb,
  lion,
  sophia,
  curvature,   ///< Sophia's estimate, from gradients of sampled labels
  statistics,  ///< a running statistic, from the sum over the micro-batches' statistics
  clip,        ///< clips the gradient, changes nothing else
  mean,        ///< the SWA mean
  none,        ///< only the moving average
};

/// This rank's shard of each array: float32, from the shard's first element on, in host or GPU memory. Null
/// if the run has no such array.
struct ShardArrays {
  float* parameters = nullptr;  ///< and running statistics
  float* gradients = nullptr;   ///< sums over samples, or of statistics
  float* state[2] = {};         ///< the optimiser's
  float* direction = nullptr;   ///< of optimisers that have one (LAMB): the step before rate and trust ratio
  float* ema = nullptr;
  float* swa = nullptr;
};

/// The numbers that are the same for all elements of a step.
struct StepNumbers {
  float scale = 0;     ///< factor from a gradient sum to the mean, clipped by norm
  float limit = 0;     ///< for the elements of a gradient sum, if values are clipped
  float momentum = 0;  ///< of sgd, lars, rmsprop
  float beta1 = 0, beta2 = 0, rest1 = 0, rest2 = 0;  ///< rest: 1 - beta
  float alpha = 0, rest = 0;                         ///< of rmsprop; rest: 1 - alpha
  float eps = 0, rho = 0;
  float correction = 0, root = 0;  ///< 1 - beta1^t; sqrt(1 - beta2^t)
  float samples_share = 0;         ///< 1 / samples of the step
  float statistics_share = 0;      ///< 1 / micro-batches of the step
  float ema_weight = 0;            ///< 1 - the decay
  float member = 0;                ///< the number, from 1, of the weights that enter SWA's mean
  float longest = 1;               ///< largest step of sophia; no constant, as GCC would make branches of it
  bool nesterov = false;
};

/// The numbers that are the same for all elements of one parameter.
struct Factors {
  float decay = 0;           ///< weight decay, added to the gradient
  float keep = 0;            ///< 1 - rate x weight decay, for decoupled decay
  float rate = 0;            ///< the learning rate
  float corrected_rate = 0;  ///< rate / (1 - beta1^t)
  float trust = 0;           ///< the layer's trust ratio
  float trusted_rate = 0;    ///< rate x trust
};

/// A block of the grid, or a part of one, within the shard.
struct Piece {
  std::int64_t offset;  ///< of its first element in the shard
  std::int32_t count;
  std::int32_t entry;  ///< index of its layout entry, also in the table of factors
};

}  // namespace lockstep
