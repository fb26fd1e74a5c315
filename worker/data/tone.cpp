#include "worker/data/tone.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace lockstep {
namespace {

/// A lookup table: the new level for each old one.
using Levels = std::array<std::uint8_t, 256>;

void replace(Picture& picture, std::int64_t channel, const Levels& levels) {
  for (std::size_t i = channel; i < picture.pixels.size(); i += picture.channels)
    picture.pixels[i] = levels[picture.pixels[i]];
}

std::array<std::int64_t, 256> histogram(const Picture& picture, std::int64_t channel) {
  std::array<std::int64_t, 256> counts{};
  for (std::size_t i = channel; i < picture.pixels.size(); i += picture.channels) ++counts[picture.pixels[i]];
  return counts;
}

/// The weighted sum divided by 13, rounded; it is never halfway between two levels.
std::uint8_t smoothed(const std::uint8_t* pixel, std::int64_t row, std::int64_t step) {
  int sum = 4 * pixel[0];
  for (auto y : {-row, std::int64_t{0}, row})
    for (auto x : {-step, std::int64_t{0}, step}) sum += pixel[y + x];
  return static_cast<std::uint8_t>((2 * sum + 13) / 26);
}

Levels stretched(const std::array<std::int64_t, 256>& counts) {
  const auto used = [](auto count) { return count != 0; };
  const auto lowest = static_cast<float>(std::find_if(counts.begin(), counts.end(), used) - counts.begin());
  const auto highest =
      static_cast<float>(255 - (std::find_if(counts.rbegin(), counts.rend(), used) - counts.rbegin()));
  const bool flat = lowest == highest;
  // Rounded twice, as torch does when it divides a number by a tensor.
  const float from = flat ? 0.0f : lowest, scale = flat ? 1.0f : 1.0f / (highest - lowest) * 255.0f;
  Levels levels;
  for (int level = 0; level < 256; ++level)
    levels[level] = blended(static_cast<float>(level) - from, scale, 0, 0);
  return levels;
}

Levels equalized(const std::array<std::int64_t, 256>& counts, std::int64_t pixels) {
  const auto highest = std::find_if(counts.rbegin(), counts.rend(), [](auto count) { return count != 0; });
  const auto step = (pixels - *highest) / 255;
  Levels levels;
  std::int64_t below = 0;
  for (int level = 0; level < 256; below += counts[level++]) {
    levels[level] = static_cast<std::uint8_t>(
        step == 0 ? level : std::min<std::int64_t>(level == 0 ? 0 : (below + step / 2) / step, 255));
  }
  return levels;
}

}  // namespace

void adjust_sharpness(Picture& picture, double factor, Picture& scratch) {
  if (picture.height <= 2 || picture.width <= 2) return;
  scratch.pixels = picture.pixels;
  const auto step = picture.channels, row = picture.width * step;
  const auto weight = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  for (std::int64_t y = 0; y < picture.height; ++y) {
    for (std::int64_t x = 0; x < row; ++x) {
      const bool inside = y > 0 && y + 1 < picture.height && x >= step && x + step < row;
      const auto* pixel = &scratch.pixels[y * row + x];
      picture.pixels[y * row + x] =
          blended(*pixel, weight, inside ? smoothed(pixel, row, step) : *pixel, rest);
    }
  }
}

void posterize(Picture& picture, int bits) {
  const auto mask = static_cast<std::uint8_t>(0xFF00 >> bits);
  for (auto& level : picture.pixels) level &= mask;
}

void solarize(Picture& picture, double threshold) {
  for (auto& level : picture.pixels)
    if (level >= threshold) level = static_cast<std::uint8_t>(255 - level);
}

void autocontrast(Picture& picture) {
  for (std::int64_t c = 0; c < picture.channels; ++c) replace(picture, c, stretched(histogram(picture, c)));
}

void equalize(Picture& picture) {
  const auto pixels = picture.height * picture.width;
  for (std::int64_t c = 0; c < picture.channels; ++c)
    replace(picture, c, equalized(histogram(picture, c), pixels));
}

}  // namespace lockstep
