// Batch norm, the addition of a residual block and ReLU in one pass over the activations, bit for bit as
// LibTorch computes them one after the other.
#pragma once

#include <ATen/core/Tensor.h>

namespace lockstep {

/// Whether batch_norm_relu() supports these: [samples, channels, height, width] in host memory, channels
/// last, float32 with a multiple of 8 channels or bfloat16 with a multiple of 16, one thread, and a CPU on
/// which LibTorch uses fused multiply-add (AVX2). `skipped` may be undefined.
bool can_fuse_batch_norm_relu(const at::Tensor& x, const at::Tensor& skipped);

/// relu(batch_norm(x) + skipped) in training, or relu(batch_norm(x)) where `skipped` is undefined, with
/// gradients for x, weight, bias and skipped. Weight and bias are float32 [channels]. Mean and unbiased
/// variance of each channel go to `mean` and `variance`, float32 [channels]. Ioffe and Szegedy 2015,
/// algorithm 1; He et al. 2016, figure 2.
at::Tensor batch_norm_relu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const at::Tensor& skipped, double epsilon, at::Tensor& mean, at::Tensor& variance);

}  // namespace lockstep
