// From an image as it is on disk to its augmented version, both of whole grey levels.
#pragma once

#include "worker/data/augmentation.hpp"
#include "worker/data/picture.hpp"

namespace lockstep {

/// Calls put(y, x, level of each channel) for every pixel of an image of height x width x channels, padded by
/// `padding` zeros on each side, cropped back to its size and mirrored. (A template, so that each use
/// compiles to one loop.)
template <class Put>
void crop_and_flip(const std::uint8_t* from, std::int64_t height, std::int64_t width, std::int64_t channels,
                   const CropAndFlip& crop, std::int64_t padding, Put put) {
  static constexpr std::uint8_t outside_pixel[3] = {};
  for (std::int64_t y = 0; y < height; ++y) {
    const auto source_y = y + crop.top - padding;
    for (std::int64_t x = 0; x < width; ++x) {
      const auto source_x = (crop.flip ? width - 1 - x : x) + crop.left - padding;
      const bool inside = source_y >= 0 && source_y < height && source_x >= 0 && source_x < width;
      put(y, x, inside ? from + (source_y * width + source_x) * channels : outside_pixel);
    }
  }
}

/// All of `augmentation` but the erasing, from `from`, an image of `picture`'s size and channels, to
/// `picture`. `scratch` has the picture's size.
void augment(const std::uint8_t* from, const Augmentation& augmentation, std::int64_t padding,
             Picture& picture, Picture& scratch);

}  // namespace lockstep
