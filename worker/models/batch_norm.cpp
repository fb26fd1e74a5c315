#include "worker/models/batch_norm.hpp"

#include "worker/models/batch_norm_relu.hpp"

namespace lockstep {
namespace {

constexpr double epsilon = 1e-5;

}  // namespace

BatchNorm2dImpl::BatchNorm2dImpl(std::int64_t features)
    : weight(register_parameter("weight", torch::ones(features))),
      bias(register_parameter("bias", torch::zeros(features))),
      running_mean(register_buffer("running_mean", torch::zeros(features))),
      running_var(register_buffer("running_var", torch::ones(features))),
      batch_mean(torch::zeros(features)),
      batch_var(torch::ones(features)) {}

torch::Tensor BatchNorm2dImpl::forward(const torch::Tensor& x) {
  values_per_channel = x.numel() / x.size(1);
  if (!is_training()) {
    return torch::batch_norm(x, weight, bias, running_mean, running_var, false, 0.0, epsilon, true);
  }
  if (batch_mean.device() != x.device()) {
    batch_mean = batch_mean.to(x.device());
    batch_var = batch_var.to(x.device());
  }
  // With momentum 1 the "running" values become exactly those of this micro-batch. The old values are
  // multiplied by 0, which does not give 0 if they are not finite: they are zeroed first.
  batch_mean.zero_();
  batch_var.zero_();
  return torch::batch_norm(x, weight, bias, batch_mean, batch_var, true, 1.0, epsilon, true);
}

torch::Tensor BatchNorm2dImpl::activated(const torch::Tensor& x, Activation activation,
                                         const torch::Tensor& skipped) {
  values_per_channel = x.numel() / x.size(1);
  if (is_training() && activation == relu && can_fuse_batch_norm_relu(x, skipped))
    return batch_norm_relu(x, weight, bias, skipped, epsilon, batch_mean, batch_var);
  const auto y = forward(x);
  return activation(skipped.defined() ? sum_with(skipped, y) : y);
}

std::string batch_norm_of_one_value(const torch::nn::Module& model) {
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    const auto* norm = dynamic_cast<const BatchNorm2dImpl*>(item.value().get());
    if (norm && norm->values_per_channel == 1) return item.key();
  }
  return "";
}

torch::Tensor sum_with(const torch::Tensor& skipped, torch::Tensor y) {
  return y.dtype() == skipped.dtype() ? y.add_(skipped) : y + skipped;
}

}  // namespace lockstep
