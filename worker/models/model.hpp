// The models: plain torch modules whose parameter names are torchvision's or timm's where they have the
// model.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "configs/config.hpp"
#include "worker/models/drop.hpp"
#include "worker/models/image_shape.hpp"

namespace lockstep {

/// A network from images, float32 [n, channels, height, width], to logits, float32 [n, classes]. Its last
/// parameters are weight and bias of its last layer.
struct Model : torch::nn::Module {
  virtual torch::Tensor forward(torch::Tensor images) = 0;
  /// Whether weight decay leaves this parameter alone, whatever its number of dimensions.
  virtual bool undecayed(const std::string& /*name*/) const { return false; }

  /// The key of the masks of dropout and drop path; set before each forward pass in training.
  DrawKey draws;
  /// If above 0, all weights are initialised from a normal distribution of this standard deviation and all
  /// biases to 0, as in timm's ConvNeXt; else by the kind of layer.
  double initial_deviation = 0;
};

/// The model named by `settings.name`, with uninitialised parameters. Throws Error (config) when
/// model.patch_size does not fit the images.
std::shared_ptr<Model> make_model(const Config::Model& settings, ImageShape shape);

/// Fills the parameters from `seed`, tensor by tensor in the order of registration: convolutions by He et al.
/// 2015 (normal, fan out), as torchvision's ResNets; linear layers uniform within 1 / sqrt(fan in), as
/// torch.nn.Linear; or all by Model::initial_deviation, and a class token with 1e-6. Norms, layer scales and
/// running statistics keep the values that their constructors set.
void initialise(Model& model, std::uint64_t seed);

}  // namespace lockstep
