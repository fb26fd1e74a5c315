// What ConvNeXt and the vision transformer share.
#pragma once

#include <torch/nn/modules/normalization.h>

#include "worker/models/activation.hpp"
#include "worker/models/layers.hpp"

namespace lockstep {

inline torch::nn::LayerNormOptions layer_norm_options(std::int64_t features) {
  return torch::nn::LayerNormOptions({features}).eps(1e-6);
}

/// Two linear layers over the last dimension, four times as wide between them. Names as in timm's Mlp.
struct FeedForwardImpl : torch::nn::Module {
  FeedForwardImpl(std::int64_t features, Activation activation_)
      : activation(activation_),
        fc1(register_module("fc1", Linear(features, 4 * features))),
        fc2(register_module("fc2", Linear(4 * features, features))) {}

  torch::Tensor forward(const torch::Tensor& x) { return fc2(activation(fc1(x))); }

  Activation activation;
  Linear fc1, fc2;
};
TORCH_MODULE(FeedForward);

}  // namespace lockstep
