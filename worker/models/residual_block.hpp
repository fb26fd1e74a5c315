// The block of the residual networks.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <vector>

#include "worker/models/activation.hpp"
#include "worker/models/batch_norm.hpp"
#include "worker/models/drop.hpp"
#include "worker/models/layers.hpp"

namespace lockstep {

/// The shortcut of a block that changes the shape (He et al. 2016, section 3.3).
enum class Shortcut {
  padded,     ///< option A, without parameters: subsampled, zero channels on both sides
  projected,  ///< option B: 1x1 convolution and batch norm, "downsample"
};

struct BlockShape {
  std::int64_t in, inner, out;  ///< channels
  std::int64_t stride;
  bool bottleneck;  ///< 1x1, 3x3 and 1x1 convolutions (the stride in the 3x3) instead of two 3x3
  Shortcut shortcut;
};

/// act(drop_path(bn(conv(... act(bn1(conv1(x)))))) + shortcut(x)), names as torchvision's BasicBlock and
/// Bottleneck: conv1, bn1, ..., downsample.
struct ResidualBlock : torch::nn::Module {
  /// `zero_init` starts the weight of the last batch norm at 0, so that the block begins as its shortcut
  /// alone.
  ResidualBlock(BlockShape shape, Activation activation, bool zero_init, Drop drop_path);
  torch::Tensor forward(torch::Tensor x);

 private:
  void add(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride);
  torch::Tensor shortcut(torch::Tensor x);

  BlockShape shape_;
  Activation activation_;
  std::vector<Conv2d> convs_;
  std::vector<BatchNorm2d> norms_;
  torch::nn::Sequential downsample_{nullptr};
  Drop drop_path_;
};

}  // namespace lockstep
