// One image on its way through the augmentation.
#pragma once

#include <cstdint>
#include <vector>

namespace lockstep {

/// An image of uint8 [height][width][channels], 1 or 3 (red, green, blue) channels, changed in place.
struct Picture {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;

  Picture(std::int64_t height, std::int64_t width, std::int64_t channels)
      : height(height),
        width(width),
        channels(channels),
        pixels(static_cast<std::size_t>(height * width * channels)) {}
};

/// A rectangle of an image, in pixels; it lies within the image.
struct Box {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

/// weight * a + rest * b in float32, clamped to 0 .. 255 and truncated to a whole number: how torchvision's
/// adjust_* functions blend two images.
inline std::uint8_t blended(float a, float weight, float b, float rest) {
  const float value = weight * a + rest * b;
  return static_cast<std::uint8_t>(value < 0 ? 0.0f : value > 255 ? 255.0f : value);
}

}  // namespace lockstep
