// The optimisers: each one short file with the arithmetic of one element and its loop over a contiguous
// range.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "configs/config.hpp"

namespace lockstep {

/// What the controller orders for one step. Rank 0 computes these numbers once and every rank uses the same
/// bits.
struct StepScalars {
  double learning_rate;
  double bias_correction1;  ///< 1 - beta1^t, t counted from 1
  double bias_correction2;  ///< 1 - beta2^t
};

/// A contiguous range of one rank's shard; all arrays float32 of `count` elements.
struct UpdateRange {
  float* parameters;
  const float*
      gradients;  ///< sums over samples; multiply by `gradient_scale` for the mean (and the clipping)
  std::vector<float*> state;
  std::int64_t count;
  float gradient_scale;
  double weight_decay;  ///< 0 for biases and norms
};

/// One optimiser. `update` touches nothing but the range.
struct Optimizer {
  std::string name;
  std::vector<std::string> state_names;
  void (*update)(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
};

/// The optimiser that optimizer.name names.
const Optimizer& optimizer_named(const std::string& name);

/// SGD with momentum and optional Nesterov (Sutskever et al. 2013), weight decay added to the gradient:
/// torch.optim.SGD.
void update_sgd(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): torch.optim.AdamW.
void update_adamw(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);

}  // namespace lockstep
