#include "worker/models/residual_block.hpp"

namespace lockstep {

ResidualBlock::ResidualBlock(BlockShape shape, Activation activation, bool zero_init, Drop drop_path)
    : shape_(shape), activation_(activation), drop_path_(std::move(drop_path)) {
  if (shape.bottleneck) {
    add(shape.in, shape.inner, 1, 1);
    add(shape.inner, shape.inner, 3, shape.stride);
    add(shape.inner, shape.out, 1, 1);
  } else {
    add(shape.in, shape.inner, 3, shape.stride);
    add(shape.inner, shape.out, 3, 1);
  }
  if (zero_init) torch::nn::init::zeros_(norms_.back()->weight);
  const bool same = shape.stride == 1 && shape.in == shape.out;
  if (!same && shape.shortcut == Shortcut::projected) {
    downsample_ = register_module(
        "downsample",
        torch::nn::Sequential(unbiased_conv(shape.in, shape.out, 1, shape.stride), BatchNorm2d(shape.out)));
  }
  register_module("drop_path", drop_path_);
}

void ResidualBlock::add(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  const auto number = std::to_string(convs_.size() + 1);
  convs_.push_back(register_module("conv" + number, unbiased_conv(in, out, kernel, stride)));
  norms_.push_back(register_module("bn" + number, BatchNorm2d(out)));
}

torch::Tensor ResidualBlock::shortcut(torch::Tensor x) {
  if (!downsample_.is_empty()) return downsample_->forward(x);
  const auto added = shape_.out - shape_.in;
  if (shape_.stride == 1 && added == 0) return x;
  x = x.slice(2, 0, INT64_MAX, shape_.stride).slice(3, 0, INT64_MAX, shape_.stride);
  return torch::constant_pad_nd(x, {0, 0, 0, 0, added / 2, added - added / 2});
}

torch::Tensor ResidualBlock::forward(torch::Tensor x) {
  auto y = x;
  const auto last = convs_.size() - 1;
  for (std::size_t i = 0; i < last; ++i) y = norms_[i]->activated(convs_[i](y), activation_);
  y = convs_[last](y);
  if (drop_path_->is_identity()) return norms_[last]->activated(y, activation_, shortcut(x));
  return activation_(sum_with(shortcut(x), drop_path_(norms_[last](y))));
}

}  // namespace lockstep
