#include "worker/data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lockstep {
namespace {

constexpr int precision_bits = 32 - 8 - 2;

/// The source pixels that are mixed into one pixel of the result, with weights of `precision_bits` bits.
struct Window {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

Window window_of(std::int64_t i, std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0), centre = (static_cast<double>(i) + 0.5) * scale;
  Window window;
  window.first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
  const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), from);
  std::vector<double> weights;
  double sum = 0;
  for (auto j = window.first; j < end; ++j) {
    const double distance = std::abs((static_cast<double>(j) - centre + 0.5) * (1.0 / support));
    sum += weights.emplace_back(distance < 1 ? 1 - distance : 0.0);
  }
  for (const double weight : weights)
    window.weights.push_back(static_cast<std::int32_t>(0.5 + weight / sum * (1 << precision_bits)));
  return window;
}

/// The windows of pixels begin .. begin + count - 1 of a side that is resized from `from` to `to` pixels.
std::vector<Window> windows_between(std::int64_t from, std::int64_t to, std::int64_t begin,
                                    std::int64_t count) {
  std::vector<Window> windows;
  for (auto i = begin; i < begin + count; ++i) windows.push_back(window_of(i, from, to));
  return windows;
}

/// The source pixels that all windows cover together: the first, and one past the last.
std::pair<std::int64_t, std::int64_t> reach_of(const std::vector<Window>& windows) {
  return {windows.front().first, windows.back().first + std::ssize(windows.back().weights)};
}

/// The weighted sum of levels that lie `stride` apart.
std::uint8_t mixed(const std::uint8_t* level, const Window& window, std::int64_t stride) {
  std::int32_t sum = 1 << (precision_bits - 1);
  level += window.first * stride;
  for (const auto weight : window.weights) {
    sum += *level * weight;
    level += stride;
  }
  return static_cast<std::uint8_t>(std::clamp(sum >> precision_bits, 0, 255));
}

/// Resizes the rows begin .. end - 1 to one pixel per window.
Picture with_width(const Picture& from, const std::vector<Window>& windows, std::int64_t begin,
                   std::int64_t end) {
  Picture result(end - begin, std::ssize(windows), from.channels);
  auto out = result.pixels.begin();
  for (auto y = begin; y < end; ++y) {
    const auto* row = from.pixels.data() + y * from.width * from.channels;
    for (const auto& window : windows)
      for (std::int64_t c = 0; c < from.channels; ++c) *out++ = mixed(row + c, window, from.channels);
  }
  return result;
}

/// Resizes the columns to one row per window. The first row of `from` is row `begin` of the windows.
Picture with_height(const Picture& from, const std::vector<Window>& windows, std::int64_t begin) {
  Picture result(std::ssize(windows), from.width, from.channels);
  const auto row = from.width * from.channels;
  auto out = result.pixels.begin();
  for (auto window : windows) {
    window.first -= begin;
    for (std::int64_t i = 0; i < row; ++i) *out++ = mixed(from.pixels.data() + i, window, row);
  }
  return result;
}

}  // namespace

/// A side that keeps its length has windows of one pixel with weight 1, which changes nothing.
Picture resized(const Picture& from, std::int64_t height, std::int64_t width, const Box& part) {
  const auto columns = windows_between(from.width, width, part.left, part.width);
  const auto rows = windows_between(from.height, height, part.top, part.height);
  const auto [begin, end] = reach_of(rows);
  return with_height(with_width(from, columns, begin, end), rows, begin);
}

}  // namespace lockstep
