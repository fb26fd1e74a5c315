#include <algorithm>
#include <map>
#include <numeric>

#include "worker/models/layers.hpp"
#include "worker/models/networks.hpp"
#include "worker/models/residual_block.hpp"

namespace lockstep {
namespace {

/// What distinguishes the networks from one another.
struct Design {
  std::vector<int> blocks;  ///< of each stage; each next one doubles the channels and halves the sides
  std::int64_t width;       ///< channels in front of the first stage
  std::int64_t expansion =
      1;  ///< output channels of a block over the stage's basic number; above 1: bottlenecks
  std::int64_t inner_share = 1;  ///< channels inside a bottleneck over the basic number
  bool for_small_images = false;
};

const Design& design_of(const std::string& name) {
  static const std::map<std::string, Design> designs{
      {"resnet20", {{3, 3, 3}, 16, 1, 1, true}}, {"resnet56", {{9, 9, 9}, 16, 1, 1, true}},
      {"resnet18", {{2, 2, 2, 2}, 64}},          {"resnet34", {{3, 4, 6, 3}, 64}},
      {"resnet50", {{3, 4, 6, 3}, 64, 4}},       {"wide_resnet50_2", {{3, 4, 6, 3}, 64, 4, 2}}};
  return designs.at(name);
}

struct ResNet : Model {
  ResNet(const Config::Model& settings, ImageShape shape, const Design& design)
      : small_stem(design.for_small_images || std::min(shape.height, shape.width) < 64),
        activation(activation_of(settings)),
        conv1(register_module("conv1", small_stem ? unbiased_conv(shape.channels, design.width, 3)
                                                  : unbiased_conv(shape.channels, design.width, 7, 2))),
        bn1(register_module("bn1", BatchNorm2d(design.width))),
        channels(design.width) {
    for (int stage = 0; stage < std::ssize(design.blocks); ++stage) add_stage(settings, design, stage);
    dropout = register_module("dropout", Drop(Purpose::dropout, settings.dropout, 0, draws));
    fc = register_module("fc", Linear(channels, shape.classes));
  }

  void add_stage(const Config::Model& settings, const Design& design, int stage) {
    const auto all_blocks = std::accumulate(design.blocks.begin(), design.blocks.end(), std::int64_t{0});
    const auto shortcut = design.for_small_images ? Shortcut::padded : Shortcut::projected;
    const auto basic = design.width << stage, out = basic * design.expansion;
    torch::nn::Sequential layer;
    for (int i = 0; i < design.blocks[stage]; ++i, ++blocks_so_far, channels = out) {
      const BlockShape block{.in = channels,
                             .inner = basic * design.inner_share,
                             .out = out,
                             .stride = stage > 0 && i == 0 ? 2 : 1,
                             .bottleneck = design.expansion > 1,
                             .shortcut = shortcut};
      const auto path = drop_path(settings.drop_path, blocks_so_far, all_blocks, blocks_so_far, draws);
      layer->push_back(std::make_shared<ResidualBlock>(block, activation, settings.zero_init_residual, path));
    }
    layers.push_back(register_module("layer" + std::to_string(stage + 1), layer));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = bn1->activated(conv1(x), activation);
    if (!small_stem) x = torch::max_pool2d(x, 3, 2, 1);
    for (auto& layer : layers) x = layer->forward(x);
    return fc(dropout(x.mean({2, 3})));
  }

  bool small_stem;  ///< 3x3 of stride 1 and no max-pool
  Activation activation;
  Conv2d conv1;
  BatchNorm2d bn1;
  std::vector<torch::nn::Sequential> layers;
  std::int64_t channels, blocks_so_far = 0;  ///< after the layers so far
  Drop dropout{nullptr};
  Linear fc{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_resnet(const Config::Model& settings, ImageShape shape) {
  return std::make_shared<ResNet>(settings, shape, design_of(settings.name));
}

}  // namespace lockstep
