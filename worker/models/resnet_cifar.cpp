// ResNet-6n+2 of He et al. 2016, "Deep residual learning", section 4.2 (CIFAR-10), with option A: shortcuts
// without parameters, subsampled and padded with zero channels.
#include "worker/models/batch_norm.hpp"
#include "worker/models/resnet.hpp"

namespace lockstep {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

struct Block : torch::nn::Module {
  Block(std::int64_t in, std::int64_t out, std::int64_t stride_)
      : stride(stride_),
        added(out - in),
        conv1(register_module("conv1",
                              Conv2d(Conv2dOptions(in, out, 3).stride(stride_).padding(1).bias(false)))),
        bn1(register_module("bn1", BatchNorm2d(out))),
        conv2(register_module("conv2", Conv2d(Conv2dOptions(out, out, 3).padding(1).bias(false)))),
        bn2(register_module("bn2", BatchNorm2d(out))) {}

  torch::Tensor forward(torch::Tensor x) {
    auto y = bn2(conv2(torch::relu(bn1(conv1(x)))));
    if (stride != 1 || added != 0) {
      x = x.slice(2, 0, INT64_MAX, stride).slice(3, 0, INT64_MAX, stride);
      x = torch::constant_pad_nd(x, {0, 0, 0, 0, added / 2, added - added / 2});
    }
    return torch::relu(x + y);
  }

  std::int64_t stride, added;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
};

struct CifarResNet : Model {
  CifarResNet(std::int64_t blocks_per_stage, ImageShape shape)
      : conv1(register_module("conv1", Conv2d(Conv2dOptions(shape.channels, 16, 3).padding(1).bias(false)))),
        bn1(register_module("bn1", BatchNorm2d(16))) {
    std::int64_t in = 16;
    for (int stage = 0; stage < 3; ++stage) {
      const std::int64_t out = std::int64_t{16} << stage;
      torch::nn::Sequential blocks;
      for (std::int64_t i = 0; i < blocks_per_stage; ++i) {
        blocks->push_back(std::make_shared<Block>(in, out, stage > 0 && i == 0 ? 2 : 1));
        in = out;
      }
      stages.push_back(register_module("layer" + std::to_string(stage + 1), blocks));
    }
    fc = register_module("fc", torch::nn::Linear(in, shape.classes));
  }

  torch::Tensor forward(torch::Tensor x) override {
    x = torch::relu(bn1(conv1(x)));
    for (auto& stage : stages) x = stage->forward(x);
    return fc(x.mean({2, 3}));
  }

  Conv2d conv1;
  BatchNorm2d bn1;
  std::vector<torch::nn::Sequential> stages;
  torch::nn::Linear fc{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_cifar_resnet(std::int64_t depth, ImageShape shape) {
  return std::make_shared<CifarResNet>((depth - 2) / 6, shape);
}

}  // namespace lockstep
