// Residual networks of He et al. 2016.
#pragma once

#include <memory>

#include "worker/models/model.hpp"

namespace lockstep {

/// The CIFAR networks of section 4.2: depth 6n + 2 (20, 56).
std::shared_ptr<Model> make_cifar_resnet(std::int64_t depth, ImageShape shape);

/// ResNet-18 of table 1 with torchvision's names. Images below 64 pixels get a 3x3 first convolution of
/// stride 1 and no max-pool, since the original first layers would shrink them to almost nothing.
std::shared_ptr<Model> make_resnet18(ImageShape shape);

}  // namespace lockstep
