#include "worker/models/fake_quantization.hpp"

#include "worker/models/layers.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t lowest_weight = -127, highest_weight = 127, highest_input = 255;
constexpr double smallest_scale =
    1.1920928955078125e-07;  // float32's epsilon, as torch.ao's observers have it

struct InputScale {
  torch::Tensor scale, zero_point;
};

InputScale scale_of(const torch::Tensor& lowest, const torch::Tensor& highest) {
  const auto scale = ((highest - lowest) / static_cast<double>(highest_input)).clamp_min(smallest_scale);
  return {scale, (-torch::round(lowest / scale)).clamp(0, highest_input).to(torch::kInt)};
}

torch::Tensor weight_scales(const torch::Tensor& weight) {
  const auto largest = weight.detach().flatten(1).abs().amax(1);
  return (largest / static_cast<double>(highest_weight)).clamp_min(smallest_scale);
}

std::vector<float> numbers(const torch::Tensor& tensor) {
  const auto host = tensor.to(torch::kCPU).contiguous();
  return {host.data_ptr<float>(), host.data_ptr<float>() + host.numel()};
}

/// Calls `action(name, layer)` for every layer that can be quantised.
template <class Action>
void for_each_layer(const torch::nn::Module& model, const Action& action) {
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    if (auto* layer = dynamic_cast<QuantizableLayer*>(item.value().get()))
      action(item.key(), *item.value(), *layer);
  }
}

}  // namespace

void FakeQuantization::switch_on(torch::nn::Module& layer) {
  input_min_ = layer.register_buffer("input_min", torch::zeros({}));
  input_max_ = layer.register_buffer("input_max", torch::zeros({}));
}

torch::Tensor FakeQuantization::input(const torch::Tensor& x, bool training) {
  if (training) {
    const auto [lowest, highest] = torch::aminmax(x.detach());
    batch_min_ = lowest.clamp_max(0);
    batch_max_ = highest.clamp_min(0);
  }
  const auto [scale, zero_point] =
      training ? scale_of(batch_min_, batch_max_) : scale_of(input_min_, input_max_);
  return torch::fake_quantize_per_tensor_affine(x, scale, zero_point, 0, highest_input);
}

torch::Tensor FakeQuantization::weight(const torch::Tensor& weight) const {
  const auto scales = weight_scales(weight);
  return torch::fake_quantize_per_channel_affine(weight, scales, torch::zeros_like(scales, torch::kInt), 0,
                                                 lowest_weight, highest_weight);
}

std::vector<BatchStatistic> FakeQuantization::batch_statistics() const {
  if (!on()) return {};
  return {{"input_min", batch_min_}, {"input_max", batch_max_}};
}

nlohmann::json FakeQuantization::scales(const torch::Tensor& weight) const {
  const auto [scale, zero_point] = scale_of(input_min_, input_max_);
  return {{"weight_scales", numbers(weight_scales(weight))},
          {"input_scale", scale.item<float>()},
          {"input_zero_point", zero_point.item<int>()}};
}

void quantize(torch::nn::Module& model) {
  for_each_layer(model, [](const auto&, auto& module, auto& layer) { layer.quantization.switch_on(module); });
}

nlohmann::json int8_scales(const torch::nn::Module& model) {
  auto scales = nlohmann::json::object();
  for_each_layer(model, [&](const auto& name, auto& module, auto& layer) {
    if (layer.quantization.on())
      scales[name] = layer.quantization.scales(module.named_parameters()["weight"]);
  });
  return scales;
}

}  // namespace lockstep
