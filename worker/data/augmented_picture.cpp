#include "worker/data/augmented_picture.hpp"

#include <algorithm>

#include "worker/data/colour.hpp"
#include "worker/data/geometry.hpp"

namespace lockstep {
namespace {

void copy(const std::uint8_t* from, const CropAndFlip& crop, std::int64_t padding, Picture& to) {
  auto out = to.pixels.begin();
  crop_and_flip(from, to.height, to.width, to.channels, crop, padding,
                [&](auto, auto, const std::uint8_t* pixel) { out = std::copy_n(pixel, to.channels, out); });
}

void apply(const ColourJitter& jitter, Picture& picture) {
  constexpr std::array changes{adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue};
  for (int which : jitter.order)
    if (jitter.factors[which]) changes[which](picture, *jitter.factors[which]);
}

}  // namespace

void augment(const std::uint8_t* from, const Augmentation& augmentation, std::int64_t padding,
             Picture& picture, Picture& scratch) {
  const auto& crop = augmentation.crop_and_flip;
  if (augmentation.resized_crop) {
    enlarge(from, *augmentation.resized_crop, scratch);
    copy(scratch.pixels.data(), {0, 0, crop.flip}, 0, picture);
  } else {
    copy(from, crop, padding, picture);
  }
  for (const auto& operation : augmentation.operations) apply(operation, picture, scratch);
  if (augmentation.jitter) apply(*augmentation.jitter, picture);
}

}  // namespace lockstep
