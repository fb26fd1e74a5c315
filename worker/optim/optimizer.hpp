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

/// A contiguous range of one rank's shard, within one parameter; all arrays float32 of `count` elements.
struct UpdateRange {
  float* parameters;
  const float*
      gradients;  ///< sums over samples; multiply by `gradient_scale` for the mean (and the clipping)
  std::vector<float*> state;
  float* direction;  ///< scratch of the layer-wise optimisers that have a `direction`
  std::int64_t count;
  float gradient_scale;
  double weight_decay;   ///< 0 for biases and norms
  double learning_rate;  ///< of this parameter: the step's, times the factors of its layer
  double trust;          ///< what `trust` gave for this parameter, or 1
};

/// L2 norms of one whole parameter.
struct LayerNorms {
  double weights, step;  ///< `step`: of `direction` where the optimiser has one, else of the scaled gradient
};

/// One optimiser. Its functions touch nothing but the range.
struct Optimizer {
  using Update = void (*)(const Config::Optimizer&, const StepScalars&, const UpdateRange&);
  std::string name;
  std::vector<std::string> state_names;
  Update update;
  /// Before `update`: writes the step, without learning rate and trust, into `direction`.
  Update direction = nullptr;
  /// Layer-wise optimisers: the factor of one decayed parameter's step. Biases and norms have 1.
  double (*trust)(const Config::Optimizer&, const LayerNorms&, double weight_decay) = nullptr;
  /// Instead of `update` for a whole matrix of `rows` rows, or a convolution's weight with its outputs as
  /// rows.
  void (*update_matrix)(const Config::Optimizer&, const UpdateRange&, std::int64_t rows) = nullptr;
  /// state[1] is an estimate of the curvature, made by estimate_curvature.
  bool has_curvature = false;
};

/// The optimiser that optimizer.name names.
const Optimizer& optimizer_named(const std::string& name);

/// SGD with momentum and optional Nesterov (Sutskever et al. 2013), weight decay added to the gradient:
/// torch.optim.SGD.
void update_sgd(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// Adam (Kingma and Ba 2015, algorithm 1), weight decay added to the gradient: torch.optim.Adam.
void update_adam(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): torch.optim.AdamW.
void update_adamw(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// RMSProp (Tieleman and Hinton 2012) with momentum, not centred: torch.optim.RMSprop.
void update_rmsprop(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// Lion (Chen et al. 2023, algorithm 2).
void update_lion(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);

/// LARS (You et al. 2017, algorithm 1), momentum after the layer's rate as in timm.optim.Lars.
double trust_of_lars(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay);
void update_lars(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);

/// LAMB (You et al. 2019, algorithm 2), as in timm.optim.Lamb without its own gradient clipping.
void direction_of_lamb(const Config::Optimizer& settings, const StepScalars& scalars,
                       const UpdateRange& range);
double trust_of_lamb(const Config::Optimizer& settings, const LayerNorms& norms, double weight_decay);
void update_lamb(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);

/// Sophia-G (Liu et al. 2023, algorithm 3): steps of m / max(rho h, eps), limited to 1.
void update_sophia(const Config::Optimizer& settings, const StepScalars& scalars, const UpdateRange& range);
/// Its Gauss-Newton-Bartlett estimator (algorithm 2): h moves towards B g^2, where g is the mean gradient of
/// the loss on labels that are sampled from the model's own softmax. `sampled_gradients` are the sums over
/// `samples` samples; both arrays float32 of `count` elements.
void estimate_curvature(const Config::Optimizer& settings, const float* sampled_gradients, double samples,
                        float* curvature, std::int64_t count);

/// Muon (Jordan 2024) for one matrix: the momentum, made orthogonal, times 0.2 sqrt(max(rows, columns)) so
/// that learning rates are those of AdamW (Liu et al. 2025): torch.optim.Muon with "match_rms_adamw", in
/// float32. state[0] is the momentum.
void update_muon_matrix(const Config::Optimizer& settings, const UpdateRange& range, std::int64_t rows);

}  // namespace lockstep
