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
  /// depends on the class of device alone. Always none if int8 is simulated.
  Precision(const Config& config, at::Device device);

  /// "none", "bf16" or "fp16".
  std::string name() const;
  /// Whether the loss must be scaled: fp16 gradients underflow otherwise.
  bool scales_loss() const { return type_ == at::kHalf; }

  /// The model's logits for `images`, float32 [n, classes].
  at::Tensor forward(Model& model, const at::Tensor& images) const;

 private:
  at::Device device_;
  std::optional<at::ScalarType> type_;
};

}  // namespace lockstep
