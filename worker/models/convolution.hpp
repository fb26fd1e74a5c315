// The convolution in front of a batch norm.
#pragma once

#include <torch/torch.h>

namespace lockstep {

/// Without a bias, which the norm would take away again, and padded to keep the size at stride 1.
inline torch::nn::Conv2d unbiased_conv(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                       std::int64_t stride = 1) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace lockstep
