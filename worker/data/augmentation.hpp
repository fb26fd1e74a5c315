// What is drawn for each training sample: how it is cropped and mirrored.
#pragma once

#include <cstdint>

#include "configs/config.hpp"

namespace lockstep {

/// Where the crop of one sample starts within its padded image, and whether it is mirrored.
struct CropAndFlip {
  std::int64_t top = 0, left = 0;  ///< in pixels, 0 .. 2 * padding
  bool flip = false;
};

/// The augmentation of `sample` in `epoch`: a function of (seed, epoch, sample) and the settings alone. The
/// crop is torchvision's RandomCrop(size, padding), the flip its RandomHorizontalFlip(probability).
CropAndFlip draw_crop_and_flip(std::uint64_t seed, std::uint64_t epoch, std::int64_t sample,
                               const Config::Augmentation& settings);

}  // namespace lockstep
