#include "worker/models/model.hpp"

#include <torch/nn/init.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "common/error.hpp"
#include "common/random.hpp"
#include "worker/models/layers.hpp"
#include "worker/models/networks.hpp"

namespace lockstep {
namespace {

void fill(torch::Tensor tensor, RandomStream random, double bound, bool normal) {
  auto values = torch::empty(tensor.sizes());
  auto* data = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    data[i] = static_cast<float>(bound * (normal ? random.normal() : 2.0 * random.uniform() - 1.0));
  }
  tensor.copy_(values);
}

void initialise_by_kind_of_layer(Model& model, std::uint64_t seed) {
  std::uint64_t index = 0;
  for (const auto& module : model.modules(/*include_self=*/false)) {
    if (auto* conv = module->as<torch::nn::Conv2d>()) {
      const auto& w = conv->weight;
      const double fan_out = static_cast<double>(w.size(0) * w.size(2) * w.size(3));
      fill(w, {seed, Purpose::initialisation, 0, index++}, std::sqrt(2.0 / fan_out), true);
    } else if (auto* linear = module->as<torch::nn::Linear>()) {
      const double bound = 1.0 / std::sqrt(static_cast<double>(linear->weight.size(1)));
      fill(linear->weight, {seed, Purpose::initialisation, 0, index++}, bound, false);
      fill(linear->bias, {seed, Purpose::initialisation, 0, index++}, bound, false);
    }
  }
}

/// timm's trunc_normal_ truncates at 2, a hundred standard deviations away, which is never drawn.
void initialise_by_deviation(Model& model, std::uint64_t seed) {
  std::uint64_t index = 0;
  for (const auto& item : model.named_parameters()) {
    if (item.value().dim() > 1) {
      const double deviation = item.key() == "cls_token" ? 1e-6 : model.initial_deviation;
      fill(item.value(), {seed, Purpose::initialisation, 0, index++}, deviation, true);
    } else if (item.key().ends_with("bias")) {
      torch::nn::init::zeros_(item.value());
    }
  }
}

std::shared_ptr<Model> make_named(const Config::Model& settings, ImageShape shape) {
  if (settings.name == "mlp") return make_mlp(settings, shape);
  if (settings.name == "small_cnn") return make_small_cnn(settings, shape);
  if (settings.name == "convnext_tiny") return make_convnext_tiny(settings, shape);
  if (settings.name == "vit_tiny") return make_vit_tiny(settings, shape);
  return make_resnet(settings, shape);
}

}  // namespace

std::shared_ptr<Model> make_model(const Config::Model& settings, ImageShape shape) {
  auto model = make_named(settings, shape);
  for (const auto& module : model->modules(/*include_self=*/false)) {
    if (auto* conv = dynamic_cast<Conv2dImpl*>(module.get()))
      conv->short_rows_contiguous = settings.memory_format == "auto";
  }
  return model;
}

std::int64_t patch_size_for(const Config::Model& settings, ImageShape shape, std::int64_t small,
                            std::int64_t large) {
  return settings.patch_size.value_or(std::min(shape.height, shape.width) < 64 ? small : large);
}

void initialise(Model& model, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
  if (model.initial_deviation > 0) return initialise_by_deviation(model, seed);
  initialise_by_kind_of_layer(model, seed);
}

}  // namespace lockstep
