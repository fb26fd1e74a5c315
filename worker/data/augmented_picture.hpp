// Turns an image as it is on disk into its augmented version, both uint8.
#pragma once

#include <algorithm>
#include <cstdint>

#include "worker/data/augmentation.hpp"
#include "worker/data/picture.hpp"

namespace lockstep {

/// Pads the image `from`, uint8 [height][width][channels], by `padding` zeros on each side, crops it back to
/// its size and mirrors it. Calls put(y, x, pointer to the levels of the channels) for every pixel of the
/// result, row by row. (A template, so that each use compiles to loops without a branch.)
template <class Put>
void crop_and_flip(const std::uint8_t* from, std::int64_t height, std::int64_t width, std::int64_t channels,
                   const CropAndFlip& crop, std::int64_t padding, Put put) {
  static constexpr std::uint8_t outside_pixel[3] = {};
  const auto shift = crop.left - padding;  // of the source relative to the result, before it is mirrored
  const auto moved = crop.flip ? -shift : shift, step = crop.flip ? -channels : channels;
  const auto begin = std::clamp<std::int64_t>(-moved, 0, width),
             end = std::clamp(width - moved, begin, width);
  const auto first = crop.flip ? width - 1 - begin + shift : begin + shift;  // in the source
  for (std::int64_t y = 0; y < height; ++y) {
    const auto source_y = y + crop.top - padding;
    const bool inside = source_y >= 0 && source_y < height;
    const auto left_end = inside ? begin : width, right_begin = inside ? end : width;
    for (std::int64_t x = 0; x < left_end; ++x) put(y, x, outside_pixel);
    const auto* pixel = inside ? from + (source_y * width + first) * channels : outside_pixel;
    for (auto x = left_end; x < right_begin; ++x, pixel += step) put(y, x, pixel);
    for (auto x = right_begin; x < width; ++x) put(y, x, outside_pixel);
  }
}

/// Applies all of `augmentation` but the erasing to `from`, uint8 [height][width][channels] of `picture`'s
/// size, and writes the result to `picture`. `padding` is in pixels; `scratch` has the picture's size.
void augment(const std::uint8_t* from, const Augmentation& augmentation, std::int64_t padding,
             Picture& picture, Picture& scratch);

}  // namespace lockstep
