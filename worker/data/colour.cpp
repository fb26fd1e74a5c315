#include "worker/data/colour.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace lockstep {
namespace {

std::uint8_t grey_level(const std::uint8_t* pixel) {
  return static_cast<std::uint8_t>((0.2989f * pixel[0] + 0.587f * pixel[1]) + 0.114f * pixel[2]);
}

void blend_with(Picture& picture, double factor, float other) {
  const auto weight = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  for (auto& level : picture.pixels) level = blended(level, weight, other, rest);
}

float mean_grey_level(const Picture& picture) {
  // Whole numbers: the sum is exact, as torch's in float32 is for images of up to 65793 pixels.
  std::int64_t sum = 0;
  if (picture.channels == 3) {
    for (std::size_t i = 0; i < picture.pixels.size(); i += 3) sum += grey_level(&picture.pixels[i]);
  } else {
    for (auto level : picture.pixels) sum += level;
  }
  return static_cast<float>(sum) / static_cast<float>(picture.height * picture.width);
}

struct Hsv {
  float hue, saturation, value;  ///< 0 .. 1
};

/// fmod(x, 1) without its loop: exact, with the sign of x.
float fraction(float x) { return x - std::trunc(x); }

Hsv to_hsv(float red, float green, float blue) {
  const float high = std::max({red, green, blue}), low = std::min({red, green, blue});
  const float range = high - low;
  if (range == 0) return {0, 0, high};
  const float r = (high - red) / range, g = (high - green) / range, b = (high - blue) / range;
  const float sixths = high == red ? b - g : high == green ? 2.0f + r - b : 4.0f + g - r;
  return {fraction(sixths / 6.0f + 1.0f), range / high, high};
}

std::array<float, 3> to_rgb(const Hsv& colour) {
  const float sixths = colour.hue * 6.0f, sector = std::floor(sixths), within = sixths - sector;
  const float v = colour.value, s = colour.saturation;
  const float p = std::clamp(v * (1.0f - s), 0.0f, 1.0f);
  const float q = std::clamp(v * (1.0f - s * within), 0.0f, 1.0f);
  const float t = std::clamp(v * (1.0f - s * (1.0f - within)), 0.0f, 1.0f);
  switch (static_cast<int>(sector) % 6) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

}  // namespace

void adjust_brightness(Picture& picture, double factor) { blend_with(picture, factor, 0); }

void adjust_contrast(Picture& picture, double factor) {
  blend_with(picture, factor, mean_grey_level(picture));
}

void adjust_saturation(Picture& picture, double factor) {
  if (picture.channels != 3) return;
  const auto weight = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  for (std::size_t i = 0; i < picture.pixels.size(); i += 3) {
    auto* pixel = &picture.pixels[i];
    const float grey = grey_level(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = blended(pixel[c], weight, grey, rest);
  }
}

void adjust_hue(Picture& picture, double turn) {
  if (picture.channels != 3) return;
  const auto by = static_cast<float>(turn);
  for (std::size_t i = 0; i < picture.pixels.size(); i += 3) {
    auto* pixel = &picture.pixels[i];
    auto colour = to_hsv(pixel[0] / 255.0f, pixel[1] / 255.0f, pixel[2] / 255.0f);
    const float turned = fraction(colour.hue + by);
    colour.hue = turned < 0 ? turned + 1.0f : turned;
    const auto rgb = to_rgb(colour);
    // Divides 0 .. 1 into 256 equal parts, the last one including 1, as torchvision's convert_image_dtype
    // does.
    for (int c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(rgb[c] * 255.999f);
  }
}

}  // namespace lockstep
