// Mixed precision: convolutions and matrix products in 16 bits, everything else in float32.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "configs/config.hpp"

namespace lockstep {

struct Model;

/// The number format of forward passes; backward follows it. Weights, gradients and losses are float32
/// (Micikevicius et al. 2018; torch.autocast chooses operation by operation).
class Precision {
 public:
  /// precision.mixed_precision on `device`. "auto" is bf16 on GPUs and on CPUs with AMX, else none: it
  /// depends on the class of device alone. Where int8 is simulated it is none.
  Precision(const Config& config, at::Device device);

  /// "none", "bf16" or "fp16".
  std::string name() const;
  /// fp16 gradients vanish unless the loss is scaled.
  bool scales_loss() const { return type_ == at::kHalf; }

  /// The model's logits, float32.
  at::Tensor forward(Model& model, const at::Tensor& images) const;

 private:
  at::Device device_;
  std::optional<at::ScalarType> type_;
};

}  // namespace lockstep
