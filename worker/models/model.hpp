// The models: plain torch modules whose parameter names are torchvision's where torchvision has the model.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "configs/config.hpp"

namespace lockstep {

/// What a model must be built for.
struct ImageShape {
  std::int64_t channels, height, width, classes;
};

/// A network from images, float32 [n, channels, height, width], to logits, float32 [n, classes].
struct Model : torch::nn::Module {
  virtual torch::Tensor forward(torch::Tensor images) = 0;
};

/// The model named by `settings.name`, with uninitialised parameters.
std::shared_ptr<Model> make_model(const Config::Model& settings, ImageShape shape);

/// Fills parameters and running statistics from `seed`, tensor by tensor: convolutions by He et al. 2015
/// (normal, fan out), as torchvision's ResNets; linear layers uniform within 1 / sqrt(fan in), as
/// torch.nn.Linear; norms 1 and 0.
void initialise(Model& model, std::uint64_t seed);

}  // namespace lockstep
