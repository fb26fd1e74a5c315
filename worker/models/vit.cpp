#include <torch/nn/modules/container/sequential.h>

#include <algorithm>
#include <cmath>

#include "common/error.hpp"
#include "worker/models/networks.hpp"
#include "worker/models/transformer_parts.hpp"

namespace lockstep {
namespace {

using torch::nn::LayerNorm;

constexpr std::int64_t width = 192, heads = 3, depth = 12;

/// Scaled dot-product attention (Vaswani et al. 2017) in single operations, not by the fused kernel that
/// LibTorch would choose by shape and device.
struct Attention : torch::nn::Module {
  Attention()
      : qkv(register_module("qkv", Linear(width, 3 * width))),
        proj(register_module("proj", Linear(width, width))) {}

  torch::Tensor forward(const torch::Tensor& x) {
    constexpr auto head_width = width / heads;
    const auto samples = x.size(0), tokens = x.size(1);
    const auto parts =
        qkv(x).view({samples, tokens, 3, heads, head_width}).permute({2, 0, 3, 1, 4}).unbind(0);
    const auto query = parts[0] * (1 / std::sqrt(static_cast<double>(head_width)));
    const auto weights = torch::matmul(query, parts[1].transpose(2, 3)).softmax(3);
    return proj(torch::matmul(weights, parts[2]).transpose(1, 2).reshape({samples, tokens, width}));
  }

  Linear qkv, proj;
};

struct Block : torch::nn::Module {
  Block(std::int64_t number, const Config::Model& settings, const DrawKey& draws)
      : norm1(register_module("norm1", LayerNorm(layer_norm_options(width)))),
        attn(register_module("attn", std::make_shared<Attention>())),
        norm2(register_module("norm2", LayerNorm(layer_norm_options(width)))),
        mlp(register_module("mlp", FeedForward(width, activation_of(settings)))),
        drop_path1(
            register_module("drop_path1", drop_path(settings.drop_path, number, depth, 2 * number, draws))),
        drop_path2(register_module("drop_path2",
                                   drop_path(settings.drop_path, number, depth, 2 * number + 1, draws))) {}

  torch::Tensor forward(torch::Tensor x) {
    x = x + drop_path1(attn->forward(norm1(x)));
    return x + drop_path2(mlp(norm2(x)));
  }

  LayerNorm norm1;
  std::shared_ptr<Attention> attn;
  LayerNorm norm2;
  FeedForward mlp;
  Drop drop_path1, drop_path2;
};

struct PatchEmbedding : torch::nn::Module {
  PatchEmbedding(std::int64_t channels, std::int64_t patch)
      : proj(register_module("proj",
                             Conv2d(torch::nn::Conv2dOptions(channels, width, patch).stride(patch)))) {}

  torch::Tensor forward(const torch::Tensor& x) { return proj(x).flatten(2).transpose(1, 2); }

  Conv2d proj;
};

struct Vit : Model {
  Vit(const Config::Model& settings, ImageShape shape, std::int64_t patch)
      : cls_token(register_parameter("cls_token", torch::zeros({1, 1, width}))),
        pos_embed(register_parameter(
            "pos_embed", torch::zeros({1, 1 + shape.height / patch * (shape.width / patch), width}))),
        patch_embed(register_module("patch_embed", std::make_shared<PatchEmbedding>(shape.channels, patch))) {
    initial_deviation = 0.02;
    for (std::int64_t i = 0; i < depth; ++i) blocks->push_back(std::make_shared<Block>(i, settings, draws));
    register_module("blocks", blocks);
    norm = register_module("norm", LayerNorm(layer_norm_options(width)));
    dropout = register_module("dropout", Drop(Purpose::dropout, settings.dropout, 0, draws));
    head = register_module("head", Linear(width, shape.classes));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = patch_embed->forward(x);
    x = torch::cat({cls_token.expand({x.size(0), 1, width}), x}, 1) + pos_embed;
    x = norm(blocks->forward(x));
    return head(dropout(x.select(1, 0)));
  }

  bool undecayed(const std::string& name) const override {
    return name == "cls_token" || name == "pos_embed";  // as timm's no_weight_decay
  }

  torch::Tensor cls_token, pos_embed;
  std::shared_ptr<PatchEmbedding> patch_embed;
  torch::nn::Sequential blocks;
  LayerNorm norm{nullptr};
  Drop dropout{nullptr};
  Linear head{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_vit_tiny(const Config::Model& settings, ImageShape shape) {
  const auto patch = patch_size_for(settings, shape, 4, 16);
  if (shape.height % patch != 0 || shape.width % patch != 0) {
    std::int64_t fitting = std::min(patch, std::min(shape.height, shape.width));
    while (shape.height % fitting != 0 || shape.width % fitting != 0) --fitting;
    throw Error(ExitCode::config, "model.patch_size = " + std::to_string(patch) + " does not fit the images",
                "vit_tiny cuts their " + std::to_string(shape.height) + " x " + std::to_string(shape.width) +
                    " pixels into whole patches",
                "set it to " + std::to_string(fitting));
  }
  return std::make_shared<Vit>(settings, shape, patch);
}

}  // namespace lockstep
