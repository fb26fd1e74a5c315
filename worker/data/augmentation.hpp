// What is drawn for each training sample: how it is cropped, mirrored, changed and erased.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "configs/config.hpp"
#include "worker/data/picture.hpp"
#include "worker/data/random_operations.hpp"
#include "worker/data/sample_order.hpp"

namespace lockstep {

/// Where the crop of one sample starts within its padded image, and whether it is mirrored.
struct CropAndFlip {
  std::int64_t top = 0, left = 0;  ///< in pixels, 0 .. 2 * padding
  bool flip = false;
};

/// Brightness, contrast, saturation and hue in the order in which they are changed. A factor is nullopt if
/// that change is off.
struct ColourJitter {
  std::array<int, 4> order{0, 1, 2, 3};
  /// The first three multiply; the fourth turns the hue by that share of the circle.
  std::array<std::optional<double>, 4> factors;
};

/// All that happens to one copy of a sample, in the order of the members.
struct Augmentation {
  std::optional<Box> resized_crop;  ///< if set, the crop of crop_and_flip has no effect
  CropAndFlip crop_and_flip;
  std::vector<Operation> operations;
  std::optional<ColourJitter> jitter;
  std::optional<Box> erased;  ///< after normalisation

  /// Whether anything but crop_and_flip happens before normalisation.
  bool changes_levels() const { return resized_crop || !operations.empty() || jitter; }
};

/// Draws the augmentation of a copy of a sample in `epoch`, for images of this size: a function of its
/// arguments alone. Every member draws from a random stream of its own, so that none changes what another
/// draws. Distributions are torchvision's: RandomCrop, RandomHorizontalFlip, RandomResizedCrop, RandAugment,
/// TrivialAugmentWide, ColorJitter, RandomErasing.
Augmentation draw_augmentation(std::uint64_t seed, std::uint64_t epoch, const SampleCopy& sample,
                               const Config::Augmentation& settings, std::int64_t height, std::int64_t width);

}  // namespace lockstep
