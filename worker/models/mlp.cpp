#include "worker/models/activation.hpp"
#include "worker/models/layers.hpp"
#include "worker/models/networks.hpp"

namespace lockstep {
namespace {

struct Mlp : Model {
  Mlp(const Config::Model& settings, ImageShape shape) : activation(activation_of(settings)) {
    std::int64_t in = shape.channels * shape.height * shape.width;
    for (auto out : settings.hidden_sizes) add(in, out, settings.dropout), in = out;
    add(in, shape.classes, settings.dropout);
  }

  void add(std::int64_t in, std::int64_t out, double rate) {
    const auto layer = linears.size();
    if (layer > 0) {
      drops.push_back(
          register_module("dropout" + std::to_string(layer), Drop(Purpose::dropout, rate, layer, draws)));
    }
    linears.push_back(register_module(std::to_string(2 * layer + 1), Linear(in, out)));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = x.flatten(1);
    for (std::size_t i = 0; i < linears.size(); ++i) {
      if (i > 0) x = drops[i - 1](activation(x));
      x = linears[i](x);
    }
    return x;
  }

  Activation activation;
  std::vector<Linear> linears;
  std::vector<Drop> drops;  ///< in front of each layer but the first
};

}  // namespace

std::shared_ptr<Model> make_mlp(const Config::Model& settings, ImageShape shape) {
  return std::make_shared<Mlp>(settings, shape);
}

}  // namespace lockstep
