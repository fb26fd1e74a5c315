// What the update of one element works on. C++17 and without torch, because nvcc reads it too: the arithmetic
// of each optimiser is one source for the loops on the host and the kernels on the GPU.
#pragma once

#include <cstdint>

#include "collectives/host_device.hpp"

namespace lockstep {

/// What is done to an element: a struct of the same meaning for each, with a function at(arrays, numbers,
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
  statistics,  ///< a running statistic, from the sum of the micro-batches' ones
  clip,        ///< the gradient alone
  mean,        ///< SWA's
  none,        ///< the moving average alone
};

/// This rank's shard: each array from the shard's first element on, float32, in host memory or a GPU's. Null
/// where the run has no such array.
struct ShardArrays {
  float* parameters = nullptr;  ///< and running statistics
  float* gradients = nullptr;   ///< sums over samples, or of statistics
  float* state[2] = {};         ///< the optimiser's
  float* direction = nullptr;   ///< of layer-wise optimisers that have one: the step without rate and trust
  float* ema = nullptr;
  float* swa = nullptr;
};

/// What is the same for all elements of a step.
struct StepNumbers {
  float scale = 0;     ///< makes the mean (and clipping by norm) of a sum of gradients
  float limit = 0;     ///< of a sum of gradients, where values are clipped
  float momentum = 0;  ///< of sgd, lars, rmsprop
  float beta1 = 0, beta2 = 0, rest1 = 0, rest2 = 0;  ///< rest: 1 - beta
  float alpha = 0, rest = 0;                         ///< of rmsprop; rest: 1 - alpha
  float eps = 0, rho = 0;
  float correction = 0, root = 0;  ///< 1 - beta1^t; sqrt(1 - beta2^t)
  float samples_share = 0;         ///< 1 / samples of the step
  float statistics_share = 0;      ///< 1 / micro-batches of the step
  float ema_weight = 0;            ///< 1 - the decay
  float member = 0;                ///< the number, from 1, of the weights that enter SWA's mean
  float longest = 1;               ///< step of sophia; a number here, because GCC makes branches of constants
  bool nesterov = false;
};

/// What is the same for all elements of one parameter.
struct Factors {
  float decay = 0;           ///< weight decay, added to the gradient
  float keep = 0;            ///< 1 - rate x weight decay, of decoupled decay
  float rate = 0;            ///< the learning rate
  float corrected_rate = 0;  ///< rate / (1 - beta1^t)
  float trust = 0;
  float trusted_rate = 0;  ///< rate x trust
};

/// A block of the grid within the shard, or less.
struct Piece {
  std::int64_t offset;  ///< of its first element in the shard
  std::int32_t count;
  std::int32_t entry;  ///< of the layout: its place in the table of factors
};

}  // namespace lockstep
