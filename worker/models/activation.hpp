// The activation function that model.activation names.
#pragma once

#include <torch/types.h>

#include "configs/config.hpp"

namespace lockstep {

/// An element-wise function. The result has the input's shape and memory format and may overwrite the input,
/// which nothing else may need.
using Activation = torch::Tensor (*)(const torch::Tensor&);

/// In place. Its gradient is computed from its result, and no layer in front of it needs its own result for
/// its gradient.
torch::Tensor relu(const torch::Tensor& x);

/// relu (Nair and Hinton 2010), leaky_relu with slope 0.01 (Maas et al. 2013), gelu by the error function
/// (Hendrycks and Gimpel 2016), silu (Elfwing et al. 2018), mish (Misra 2020) or hardswish (Howard et al.
/// 2019), as in torch.nn.functional; "auto" is gelu for convnext_tiny and vit_tiny and relu for the others.
Activation activation_of(const Config::Model& settings);

}  // namespace lockstep
