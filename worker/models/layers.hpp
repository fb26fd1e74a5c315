// Convolutions and linear layers of the models: torch's, which can also simulate int8.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "worker/models/fake_quantization.hpp"

namespace lockstep {

struct QuantizableLayer : LeavesStatistics {
  FakeQuantization quantization;
  std::vector<BatchStatistic> batch_statistics() const override { return quantization.batch_statistics(); }
};

struct Conv2dImpl : torch::nn::Conv2dImpl, QuantizableLayer {
  using torch::nn::Conv2dImpl::Conv2dImpl;
  torch::Tensor forward(const torch::Tensor& x);
  bool short_rows_contiguous = false;  ///< model.memory_format = "auto" (decision 020)
};
TORCH_MODULE(Conv2d);

struct LinearImpl : torch::nn::LinearImpl, QuantizableLayer {
  using torch::nn::LinearImpl::LinearImpl;
  torch::Tensor forward(const torch::Tensor& x) {
    if (!quantization.on()) return torch::nn::LinearImpl::forward(x);
    return torch::linear(quantization.input(x, is_training()), quantization.weight(weight), bias);
  }
};
TORCH_MODULE(Linear);

/// A convolution in front of a batch norm: without a bias, which the norm would cancel, and padded so that
/// stride 1 keeps the size.
inline Conv2d unbiased_conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1) {
  return Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace lockstep
