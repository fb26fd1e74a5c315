#include "worker/models/activation.hpp"
#include "worker/models/batch_norm.hpp"
#include "worker/models/layers.hpp"
#include "worker/models/networks.hpp"

namespace lockstep {
namespace {

struct SmallCnn : Model {
  SmallCnn(const Config::Model& settings, ImageShape shape) : activation(activation_of(settings)) {
    std::int64_t in = shape.channels;
    for (std::int64_t out : {16, 32, 64}) {
      const auto number = std::to_string(convs.size() + 1);
      convs.push_back(register_module("conv" + number, unbiased_conv(in, out, 3)));
      norms.push_back(register_module("bn" + number, BatchNorm2d(out)));
      in = out;
    }
    dropout = register_module("dropout", Drop(Purpose::dropout, settings.dropout, 0, draws));
    fc = register_module("fc", Linear(in, shape.classes));
  }

  torch::Tensor forward(torch::Tensor x) override {
    for (std::size_t i = 0; i < convs.size(); ++i) {
      // Windows do not overlap, so each input gets at most one gradient: no sum depends on an order.
      if (i > 0) x = torch::max_pool2d(x, 2, 2, 0, 1, /*ceil_mode=*/true);
      x = norms[i]->activated(convs[i](x), activation);
    }
    return fc(dropout(x.mean({2, 3})));
  }

  Activation activation;
  std::vector<Conv2d> convs;
  std::vector<BatchNorm2d> norms;
  Drop dropout{nullptr};
  Linear fc{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_small_cnn(const Config::Model& settings, ImageShape shape) {
  return std::make_shared<SmallCnn>(settings, shape);
}

}  // namespace lockstep
