#include "worker/models/model.hpp"

#include <cmath>

#include "common/error.hpp"
#include "worker/models/resnet.hpp"
#include "worker/random.hpp"

namespace lockstep {
namespace {

/// Fully connected layers with ReLU between them, over the flattened image; modules named as in
/// torch.nn.Sequential(Flatten, Linear, ReLU, ...): "1.weight", "3.weight", ...
struct Mlp : Model {
  Mlp(const std::vector<std::int64_t>& hidden_sizes, ImageShape shape) {
    std::int64_t in = shape.channels * shape.height * shape.width;
    for (auto out : hidden_sizes) add(in, out), in = out;
    add(in, shape.classes);
  }

  void add(std::int64_t in, std::int64_t out) {
    const auto position = std::to_string(2 * linears.size() + 1);
    linears.push_back(register_module(position, torch::nn::Linear(in, out)));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = x.flatten(1);
    for (std::size_t i = 0; i < linears.size(); ++i) {
      if (i > 0) x = torch::relu(x);
      x = linears[i](x);
    }
    return x;
  }

  std::vector<torch::nn::Linear> linears;
};

void fill(torch::Tensor tensor, RandomStream random, double bound, bool normal) {
  auto values = torch::empty(tensor.sizes());
  auto* data = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    data[i] = static_cast<float>(bound * (normal ? random.normal() : 2.0 * random.uniform() - 1.0));
  }
  tensor.copy_(values);
}

}  // namespace

std::shared_ptr<Model> make_model(const Config::Model& settings, ImageShape shape) {
  if (settings.name == "resnet20") return make_cifar_resnet(20, shape);
  if (settings.name == "resnet18") return make_resnet18(shape);
  if (settings.name == "mlp") return std::make_shared<Mlp>(settings.hidden_sizes, shape);
  throw Error(ExitCode::bug, "model.name = " + settings.name + " has no builder");
}

void initialise(Model& model, std::uint64_t seed) {
  torch::NoGradGuard no_grad;
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

}  // namespace lockstep
