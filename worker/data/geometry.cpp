#include "worker/data/geometry.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace lockstep {
namespace {

/// The source pixels that are mixed into one pixel of an enlarged row: one or two; by rounding also a third,
/// with weight 0.
struct Taps {
  std::int64_t first, count;
  std::array<float, 3> weights;
};

Taps taps_of(std::int64_t i, float scale, std::int64_t size) {
  const float centre = scale * (static_cast<float>(i) + 0.5f);
  Taps taps{};
  taps.first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - 1.0f + 0.5f), 0);
  taps.count = std::min<std::int64_t>(static_cast<std::int64_t>(centre + 1.0f + 0.5f), size) - taps.first;
  float sum = 0;
  for (std::int64_t j = 0; j < taps.count; ++j) {
    const float distance = std::abs(static_cast<float>(taps.first + j) - centre + 0.5f);
    sum += taps.weights[j] = distance < 1 ? 1 - distance : 0.0f;
  }
  for (auto& weight : taps.weights) weight /= sum;
  return taps;
}

std::vector<Taps> taps_between(std::int64_t from, std::int64_t to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  std::vector<Taps> taps(to);
  for (std::int64_t i = 0; i < to; ++i) taps[i] = taps_of(i, scale, from);
  return taps;
}

/// The weighted sum of levels that lie `stride` apart.
template <class Level>
float mixed(const Level* level, const Taps& taps, std::int64_t stride) {
  level += taps.first * stride;
  float sum = static_cast<float>(*level) * taps.weights[0];
  for (std::int64_t j = 1; j < taps.count; ++j)
    sum = std::fma(static_cast<float>(level[j * stride]), taps.weights[j], sum);
  return sum;
}

/// The rows of `box`, each enlarged to `columns` pixels: float32 [box.height][columns][channels].
std::vector<float> wide(const std::uint8_t* from, const Box& box, std::int64_t columns,
                        std::int64_t channels) {
  std::vector<float> result(box.height * columns * channels);
  const auto taps = taps_between(box.width, columns);
  auto out = result.begin();
  for (std::int64_t y = box.top; y < box.top + box.height; ++y) {
    const auto* row = from + (y * columns + box.left) * channels;
    for (const auto& tap : taps)
      for (std::int64_t c = 0; c < channels; ++c) *out++ = mixed(row + c, tap, channels);
  }
  return result;
}

}  // namespace

AffineMap shear_x(double slope, const Picture& picture) {
  return {1, slope, slope * (static_cast<double>(picture.height) * 0.5), 0, 1, 0};
}

AffineMap shear_y(double slope, const Picture& picture) {
  return {1, 0, 0, slope, 1, slope * (static_cast<double>(picture.width) * 0.5)};
}

AffineMap translation(double right, double down) { return {1, 0, -right, 0, 1, -down}; }

AffineMap rotation(double degrees) {
  const double angle = degrees * (std::numbers::pi / 180);
  return {std::cos(angle), -std::sin(angle), 0, std::sin(angle), std::cos(angle), 0};
}

void warp(Picture& picture, const AffineMap& map, Picture& scratch) {
  const auto height = picture.height, width = picture.width, channels = picture.channels;
  const float half_width = 0.5f * static_cast<float>(width), half_height = 0.5f * static_cast<float>(height);
  float x_of[3], y_of[3];  // in units of half the picture
  for (int i = 0; i < 3; ++i) {
    x_of[i] = static_cast<float>(map[i]) / half_width;
    y_of[i] = static_cast<float>(map[3 + i]) / half_height;
  }
  auto* out = scratch.pixels.data();
  for (std::int64_t row = 0; row < height; ++row) {
    const float y = static_cast<float>(row) - half_height + 0.5f;
    for (std::int64_t column = 0; column < width; ++column, out += channels) {
      const float x = static_cast<float>(column) - half_width + 0.5f;
      const float from_x = (x * x_of[0] + y * x_of[1]) + x_of[2];
      const float from_y = (x * y_of[0] + y * y_of[1]) + y_of[2];
      const auto left = static_cast<std::int64_t>(std::nearbyint((from_x + 1.0f) * half_width - 0.5f));
      const auto top = static_cast<std::int64_t>(std::nearbyint((from_y + 1.0f) * half_height - 0.5f));
      const bool inside = top >= 0 && top < height && left >= 0 && left < width;
      for (std::int64_t c = 0; c < channels; ++c)
        out[c] = inside ? picture.pixels[(top * width + left) * channels + c] : 0;
    }
  }
  std::swap(picture.pixels, scratch.pixels);
}

void enlarge(const std::uint8_t* from, const Box& box, Picture& to) {
  const auto row = to.width * to.channels;
  const auto levels = wide(from, box, to.width, to.channels);
  auto* out = to.pixels.data();
  for (const auto& tap : taps_between(box.height, to.height))
    for (std::int64_t x = 0; x < row; ++x)
      *out++ = static_cast<std::uint8_t>(std::nearbyint(mixed(levels.data() + x, tap, row)));
}

}  // namespace lockstep
