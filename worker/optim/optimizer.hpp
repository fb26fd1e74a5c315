// The optimisers and their parts. Each has a short header with the arithmetic of one element, shared by host
// and GPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "configs/config.hpp"
#include "worker/optim/element.hpp"
#include "worker/optim/parameter_groups.hpp"

namespace lockstep {

/// The numbers of one step that depend on the step. Rank 0 computes them once and broadcasts them, so that
/// every rank uses the same bits.
struct StepScalars {
  double learning_rate;
  double bias_correction1;  ///< 1 - beta1^t, t counted from 1
  double bias_correction2;  ///< 1 - beta2^t
};

/// L2 norms of one whole parameter.
struct LayerNorms {
  double weights, step;  ///< `step`: of `direction` where the optimiser has one, else of the scaled gradient
};

/// A whole matrix, or a convolution's weight with its outputs as rows: float32 [rows, columns] on one device.
struct MatrixUpdate {
  at::Tensor parameters, gradients, momentum;
  float gradient_scale;
  double weight_decay, learning_rate;
};

/// One optimiser. Its functions touch nothing but what they are given.
struct Optimizer {
  std::string name;
  std::vector<std::string> state_names;
  UpdateRule update;
  /// Runs before `update`: writes the step, before learning rate and trust ratio, into
  /// ShardArrays::direction.
  std::optional<UpdateRule> direction = {};
  /// Layer-wise optimisers: the trust ratio of one decayed parameter. Biases and norms have 1.
  double (*trust)(const Config::Optimizer&, const LayerNorms&, double weight_decay) = nullptr;
  /// Replaces `update` for whole matrices.
  void (*update_matrix)(const Config::Optimizer&, const MatrixUpdate&) = nullptr;
  /// state[1] is an estimate of the curvature, made by UpdateRule::curvature.
  bool has_curvature = false;
};

/// The optimiser that optimizer.name names. Throws Error (bug) if there is none.
const Optimizer& optimizer_named(const std::string& name);

/// The optimiser's part of the numbers of a step, rounded once to float32; `scale` multiplies the summed
/// gradient. The other numbers stay 0.
StepNumbers step_numbers(const Config::Optimizer& settings, const StepScalars& scalars, float scale);
/// The same for one parameter; `trust` is its trust ratio, 1 without layer-wise rates.
Factors factors_of(const StepScalars& scalars, const ParameterGroup& group, double trust);

/// The trust ratio of a layer: LARS (You et al. 2017), LAMB (You et al. 2019).
double trust_of_lars(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay);
double trust_of_lamb(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay);

/// Muon (Jordan 2024) for one matrix: the momentum, made orthogonal, times 0.2 sqrt(max(rows, columns)) so
/// that learning rates are those of AdamW (Liu et al. 2025): torch.optim.Muon with "match_rms_adamw", in
/// float32.
void update_muon_matrix(const Config::Optimizer& settings, const MatrixUpdate& matrix);

}  // namespace lockstep
