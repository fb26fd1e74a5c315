#include "worker/models/layers.hpp"

#include <ATen/Version.h>
#include <ATen/autocast_mode.h>

#include <algorithm>

namespace lockstep {
namespace {

/// Whether oneDNN is faster with its own blocked layout than with channels last: its channels-last kernels
/// process one row of an image at a time, and here the rows are short.
bool has_short_rows(const torch::Tensor& x, const Conv2dImpl& layer) {
  constexpr std::int64_t short_row = 4, many_channels = 256;
  static const bool measured = at::get_cpu_capability() == "AVX512";
  const auto& options = layer.options;
  return measured && x.is_cpu() && x.dim() == 4 && !x.is_contiguous() && x.scalar_type() == at::kFloat &&
         !at::autocast::is_autocast_enabled(at::kCPU) && options.groups() == 1 &&
         (*options.kernel_size())[1] == 3 && x.size(3) <= short_row * (*options.stride())[1] &&
         std::min(options.in_channels(), options.out_channels()) >= many_channels;
}

}  // namespace

torch::Tensor Conv2dImpl::forward(const torch::Tensor& x) {
  const auto convolve = [this](const torch::Tensor& input, const torch::Tensor& weights) {
    const auto padding = std::get<torch::ExpandingArray<2>>(options.padding());
    return torch::conv2d(input, weights, bias, options.stride(), padding, options.dilation(),
                         options.groups());
  };
  if (quantization.on()) return convolve(quantization.input(x, is_training()), quantization.weight(weight));
  if (!short_rows_contiguous || !has_short_rows(x, *this)) return torch::nn::Conv2dImpl::forward(x);
  return convolve(x.contiguous(), weight.contiguous()).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace lockstep
