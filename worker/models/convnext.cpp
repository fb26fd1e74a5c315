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
  torch::Tensor forward(torch::Tensor x) {
    if (!downsample.is_empty()) x = downsample->forward(x);
    return blocks->forward(x);
  }

  torch::nn::Sequential downsample{nullptr}, blocks{nullptr};
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
    constexpr std::int64_t depths[] = {3, 3, 9, 3}, all_blocks = 18, width = 96;
    const auto activation = activation_of(settings);
    initial_deviation = 0.02;
    stem = register_module(
        "stem", torch::nn::Sequential(Conv2d(Conv2dOptions(shape.channels, width, patch).stride(patch)),
                                      LayerNorm2d(width)));
    std::int64_t in = width, number = 0;
    for (int i = 0; i < 4; ++i) {
      const auto stage = std::make_shared<Stage>();
      const auto out = width << i;
      if (in != out) {
        stage->downsample = stage->register_module(
            "downsample",
            torch::nn::Sequential(LayerNorm2d(in), Conv2d(Conv2dOptions(in, out, 2).stride(2))));
      }
      stage->blocks = stage->register_module("blocks", torch::nn::Sequential());
      for (std::int64_t j = 0; j < depths[i]; ++j, ++number) {
        const auto path = drop_path(settings.drop_path, number, all_blocks, number, draws);
        stage->blocks->push_back(std::make_shared<Block>(out, activation, path));
      }
      stages->push_back(stage);
      in = out;
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
