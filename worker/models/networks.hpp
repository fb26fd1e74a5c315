// The functions that make the models, each in the file of its architecture. All of them leave the parameters
// uninitialised.
#pragma once

#include <memory>

#include "worker/models/model.hpp"

namespace lockstep {

/// Fully connected layers over the flattened image; modules named as in torch.nn.Sequential(Flatten, Linear,
/// ReLU, ...): "1.weight", "3.weight", ... Dropout before every layer but the first.
std::shared_ptr<Model> make_mlp(const Config::Model& settings, ImageShape shape);

/// Three 3x3 convolutions with batch norm, 16, 32 and 64 wide, max-pools of 2 between them, then global
/// average pooling and a linear layer: conv1, bn1, conv2, ..., fc.
std::shared_ptr<Model> make_small_cnn(const Config::Model& settings, ImageShape shape);

/// Residual networks of He et al. 2016, "Deep residual learning". resnet20 and resnet56 are those of section
/// 4.2 (CIFAR-10). resnet18, resnet34 and resnet50 are those of table 1, and wide_resnet50_2 that of
/// Zagoruyko and Komodakis 2016, all with torchvision's names; images below 64 pixels get a 3x3 first
/// convolution of stride 1 and no max-pool, since the original first layers would shrink them to almost
/// nothing.
std::shared_ptr<Model> make_resnet(const Config::Model& settings, ImageShape shape);

/// ConvNeXt-T of Liu et al. 2022 with timm's names. Throws Error (config) when model.patch_size leaves fewer
/// than 8 patches a side, since each of the three downsamplings halves them.
std::shared_ptr<Model> make_convnext_tiny(const Config::Model& settings, ImageShape shape);

/// ViT-Ti of Dosovitskiy et al. 2021 and Touvron et al. 2021 with timm's names: width 192, 12 blocks, 3
/// heads, class token. Throws Error (config) unless model.patch_size divides the sides of the images.
std::shared_ptr<Model> make_vit_tiny(const Config::Model& settings, ImageShape shape);

/// model.patch_size or, if that is "auto", `small` for images below 64 pixels and `large` for others.
std::int64_t patch_size_for(const Config::Model& settings, ImageShape shape, std::int64_t small,
                            std::int64_t large);

}  // namespace lockstep
