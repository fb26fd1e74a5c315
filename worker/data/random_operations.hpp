// RandAugment and TrivialAugment: random operations from one list.
#pragma once

#include <vector>

#include "common/random.hpp"
#include "configs/config.hpp"
#include "worker/data/picture.hpp"

namespace lockstep {

/// In the order of torchvision's lists, which the draws index.
enum class OperationKind {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  saturation,
  contrast,
  sharpness,
  posterize,
  solarize,
  autocontrast,
  equalize
};

/// One operation and its strength, in the units of `apply`.
struct Operation {
  OperationKind kind;
  double magnitude;
};

/// Draws the operations that `settings` asks for, for an image of this size: rand_augment_layers of them for
/// rand_augment (Cubuk et al. 2020; torchvision's RandAugment with 31 bins), one for trivial_augment (Mueller
/// and Hutter 2021; torchvision's TrivialAugmentWide), else none. Draws for each operation: which of 14 it
/// is; for trivial_augment, which of 31 magnitudes; the sign, even for operations that have none.
std::vector<Operation> draw_operations(RandomStream& random, const Config::Augmentation& settings,
                                       std::int64_t height, std::int64_t width);

/// Applies `operation`. Units of the magnitude: shear: slope; translate: pixels, truncated to whole ones;
/// rotate: degrees; brightness, saturation, contrast, sharpness: what is added to the factor 1; posterize:
/// bits kept; solarize: threshold. `scratch` has the picture's size.
void apply(const Operation& operation, Picture& picture, Picture& scratch);

}  // namespace lockstep
