#include <torch/nn/modules/container/sequential.h>

#include <algorithm>

#include "common/error.hpp"
#include "worker/models/networks.hpp"
#include "worker/models/transformer_parts.hpp"

namespace lockstep {
namespace {

using torch::nn::Conv2dOptions;

/// Layer norm over the channels of [n, channels, height, width].
struct LayerNorm2dImpl : torch::nn::LayerNormImpl {
  explicit LayerNorm2dImpl(std::int64_t channels) : LayerNormImpl(layer_norm_options(channels)) {}
  torch::Tensor forward(const torch::Tensor& x) {
    return LayerNormImpl::forward(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
  }
};
TORCH_MODULE(LayerNorm2d);

struct Block : torch::nn::Module {
  Block(std::int64_t channels, Activation activation, Drop path)
      : gamma(register_parameter("gamma", torch::full(channels, 1e-6))),
        conv_dw(register_module("conv_dw",
                                Conv2d(Conv2dOptions(channels, channels, 7).padding(3).groups(channels)))),
        norm(register_module("norm", torch::nn::LayerNorm(layer_norm_options(channels)))),
        mlp(register_module("mlp", FeedForward(channels, activation))),
        drop_path(register_module("drop_path", std::move(path))) {}

  torch::Tensor forward(torch::Tensor x) {
    const auto y = mlp(norm(conv_dw(x).permute({0, 2, 3, 1}))) * gamma;
    return drop_path(y.permute({0, 3, 1, 2})) + x;
  }

  torch::Tensor gamma;
  Conv2d conv_dw;
  torch::nn::LayerNorm norm;
  FeedForward mlp;
  Drop drop_path;
};

struct Stage : torch::nn::Module {
  /// `first` is the number of its first block in the model.
  Stage(std::int64_t in, std::int64_t out, std::int64_t depth, std::int64_t first,
        const Config::Model& settings, const DrawKey& draws) {
    constexpr std::int64_t all_blocks = 18;
    if (in != out) {
      downsample = register_module(
          "downsample", torch::nn::Sequential(LayerNorm2d(in), Conv2d(Conv2dOptions(in, out, 2).stride(2))));
    }
    for (auto number = first; number < first + depth; ++number) {
      const auto path = drop_path(settings.drop_path, number, all_blocks, number, draws);
      blocks->push_back(std::make_shared<Block>(out, activation_of(settings), path));
    }
    register_module("blocks", blocks);
  }

  torch::Tensor forward(torch::Tensor x) {
    if (!downsample.is_empty()) x = downsample->forward(x);
    return blocks->forward(x);
  }

  torch::nn::Sequential downsample{nullptr}, blocks;
};

struct Head : torch::nn::Module {
  Head(std::int64_t channels, std::int64_t classes, double rate, const DrawKey& draws)
      : norm(register_module("norm", torch::nn::LayerNorm(layer_norm_options(channels)))),
        dropout(register_module("dropout", Drop(Purpose::dropout, rate, 0, draws))),
        fc(register_module("fc", Linear(channels, classes))) {}

  torch::Tensor forward(const torch::Tensor& x) { return fc(dropout(norm(x.mean({2, 3})))); }

  torch::nn::LayerNorm norm;
  Drop dropout;
  Linear fc;
};

struct ConvNext : Model {
  ConvNext(const Config::Model& settings, ImageShape shape, std::int64_t patch) {
    constexpr std::int64_t width = 96;
    initial_deviation = 0.02;
    stem = register_module(
        "stem", torch::nn::Sequential(Conv2d(Conv2dOptions(shape.channels, width, patch).stride(patch)),
                                      LayerNorm2d(width)));
    std::int64_t in = width, out = width, first = 0;
    for (std::int64_t depth : {3, 3, 9, 3}) {
      stages->push_back(std::make_shared<Stage>(in, out, depth, first, settings, draws));
      in = out;
      out *= 2;
      first += depth;
    }
    register_module("stages", stages);
    head = register_module("head", std::make_shared<Head>(in, shape.classes, settings.dropout, draws));
  }

  torch::Tensor forward(torch::Tensor x) override { return head->forward(stages->forward(stem->forward(x))); }

  torch::nn::Sequential stem{nullptr}, stages;
  std::shared_ptr<Head> head;
};

}  // namespace

std::shared_ptr<Model> make_convnext_tiny(const Config::Model& settings, ImageShape shape) {
  const auto patch = patch_size_for(settings, shape, 2, 4);
  const auto side = std::min(shape.height, shape.width);
  if (side / patch < 8) {
    throw Error(ExitCode::config,
                "model.patch_size = " + std::to_string(patch) + " is too large for the images",
                "they are " + std::to_string(shape.height) + " x " + std::to_string(shape.width) +
                    " pixels, and convnext_tiny needs 8 patches a side at least",
                side < 8 ? "take another model" : "set it to " + std::to_string(side / 8) + " or less");
  }
  return std::make_shared<ConvNext>(settings, shape, patch);
}

}  // namespace lockstep
