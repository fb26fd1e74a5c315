// ResNet-18 of He et al. 2016, "Deep residual learning", table 1; option B shortcuts, names as torchvision's.
#include "worker/models/resnet.hpp"

#include <algorithm>

#include "worker/models/batch_norm.hpp"

namespace lockstep {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

struct BasicBlock : torch::nn::Module {
  BasicBlock(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(register_module("conv1",
                              Conv2d(Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)))),
        bn1(register_module("bn1", BatchNorm2d(out))),
        conv2(register_module("conv2", Conv2d(Conv2dOptions(out, out, 3).padding(1).bias(false)))),
        bn2(register_module("bn2", BatchNorm2d(out))) {
    if (stride == 1 && in == out) return;
    downsample = register_module(
        "downsample", torch::nn::Sequential(Conv2d(Conv2dOptions(in, out, 1).stride(stride).bias(false)),
                                            BatchNorm2d(out)));
  }

  torch::Tensor forward(torch::Tensor x) {
    auto y = bn2(conv2(torch::relu(bn1(conv1(x)))));
    return torch::relu(y + (downsample.is_empty() ? x : downsample->forward(x)));
  }

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  torch::nn::Sequential downsample{nullptr};
};

struct ResNet : Model {
  ResNet(std::vector<int> blocks, ImageShape shape) : small_images(std::min(shape.height, shape.width) < 64) {
    const auto first = small_images ? Conv2dOptions(shape.channels, 64, 3).padding(1).bias(false)
                                    : Conv2dOptions(shape.channels, 64, 7).stride(2).padding(3).bias(false);
    conv1 = register_module("conv1", Conv2d(first));
    bn1 = register_module("bn1", BatchNorm2d(64));
    std::int64_t in = 64;
    for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
      const std::int64_t out = std::int64_t{64} << stage;
      torch::nn::Sequential layer;
      for (int i = 0; i < blocks[stage]; ++i) {
        layer->push_back(std::make_shared<BasicBlock>(in, out, stage > 0 && i == 0 ? 2 : 1));
        in = out;
      }
      layers.push_back(register_module("layer" + std::to_string(stage + 1), layer));
    }
    fc = register_module("fc", torch::nn::Linear(in, shape.classes));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = torch::relu(bn1(conv1(x)));
    if (!small_images) x = torch::max_pool2d(x, 3, 2, 1);
    for (auto& layer : layers) x = layer->forward(x);
    return fc(x.mean({2, 3}));
  }

  bool small_images;
  Conv2d conv1{nullptr};
  BatchNorm2d bn1{nullptr};
  std::vector<torch::nn::Sequential> layers;
  torch::nn::Linear fc{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_resnet18(ImageShape shape) {
  return std::make_shared<ResNet>(std::vector<int>{2, 2, 2, 2}, shape);
}

}  // namespace lockstep
