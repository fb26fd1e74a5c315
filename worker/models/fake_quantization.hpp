// Quantisation-aware training (Jacob et al. 2018): inputs and weights of a layer are rounded to 8 bits in the
// forward pass, and gradients pass through the rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>

#include "worker/models/batch_statistics.hpp"

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace lockstep {

/// Simulates int8 for one layer. Weights: symmetric, -127 .. 127, one scale for each output channel, from
/// their largest absolute value. Inputs: 0 .. 255 with a zero point and one scale, from their range, extended
/// to hold 0. In training this is the range of the micro-batch, so that it does not depend on the number of
/// ranks; else it is the running range.
class FakeQuantization {
 public:
  bool on() const { return input_min_.defined(); }
  /// Registers the running range, input_min and input_max, both float32 scalars, as buffers of `layer`.
  void switch_on(torch::nn::Module& layer);

  /// The input rounded to 8 bits, of the same shape. In training also takes the range of this micro-batch.
  at::Tensor input(const at::Tensor& x, bool training);
  /// The weights rounded to 8 bits, of the same shape.
  at::Tensor weight(const at::Tensor& weight) const;

  /// The range of the last micro-batch, under the names of the running one; empty if this is off.
  std::vector<BatchStatistic> batch_statistics() const;
  /// "weight_scales", "input_scale", "input_zero_point": value = scale * (integer - zero point).
  nlohmann::json scales(const at::Tensor& weight) const;

 private:
  at::Tensor input_min_, input_max_, batch_min_, batch_max_;
};

/// Switches the simulation on in all convolutions and linear layers of `model`.
void quantize(torch::nn::Module& model);

/// The scales of all layers in which it is on, by the names of the layers.
nlohmann::json int8_scales(const torch::nn::Module& model);

}  // namespace lockstep
