// tests/regression/planted/draws_by_rank.cpp replaces this file at link time.
#include "worker/data/augmentation.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/random.hpp"

namespace lockstep {
namespace {

constexpr int tries = 10;

CropAndFlip draw_crop_and_flip(RandomStream random, const Config::Augmentation& settings) {
  CropAndFlip drawn;
  drawn.top = random.below(2 * settings.crop_padding + 1);
  drawn.left = random.below(2 * settings.crop_padding + 1);
  drawn.flip = random.uniform() < settings.flip_probability;
  return drawn;
}

double between(double low, double high, double share) { return low + (high - low) * share; }

/// Sides of a rectangle: their product uniform between two areas, their ratio (first : second) log-uniform;
/// to whole pixels, halves to even.
std::pair<std::int64_t, std::int64_t> draw_sides(RandomStream& random, double least_area, double most_area,
                                                 double least_ratio, double most_ratio) {
  const double area = between(least_area, most_area, random.uniform());
  const double ratio = std::exp(between(std::log(least_ratio), std::log(most_ratio), random.uniform()));
  return {std::lrint(std::sqrt(area * ratio)), std::lrint(std::sqrt(area / ratio))};
}

/// A box of this size somewhere in the image.
Box draw_place(RandomStream& random, std::int64_t height, std::int64_t width, std::int64_t image_height,
               std::int64_t image_width) {
  const auto top = random.below(image_height - height + 1);
  return {top, random.below(image_width - width + 1), height, width};
}

/// The largest box in the middle of the image with sides of 3:4 to 4:3.
Box middle(std::int64_t height, std::int64_t width) {
  const auto at_most = [](std::int64_t side, std::int64_t other) {
    return std::min(side, std::lrint(static_cast<double>(other) * (4.0 / 3.0)));
  };
  const auto h = at_most(height, width), w = at_most(width, height);
  return {(height - h) / 2, (width - w) / 2, h, w};
}

Box draw_resized_crop(RandomStream random, double min_scale, std::int64_t height, std::int64_t width) {
  const auto area = static_cast<double>(height * width);
  for (int i = 0; i < tries; ++i) {
    const auto [w, h] = draw_sides(random, min_scale * area, area, 3.0 / 4.0, 4.0 / 3.0);
    if (w > 0 && w <= width && h > 0 && h <= height) return draw_place(random, h, w, height, width);
  }
  return middle(height, width);
}

std::optional<ColourJitter> draw_jitter(RandomStream random, const Config::Augmentation& settings) {
  const std::array strengths{settings.brightness, settings.contrast, settings.saturation, settings.hue};
  if (strengths == decltype(strengths){}) return std::nullopt;
  ColourJitter drawn;
  for (int last = 3; last > 0; --last) std::swap(drawn.order[last], drawn.order[random.below(last + 1)]);
  for (int i = 0; i < 4; ++i) {
    const double middle = i == 3 ? 0 : 1, share = random.uniform();
    if (strengths[i] > 0) drawn.factors[i] = between(middle - strengths[i], middle + strengths[i], share);
  }
  return drawn;
}

std::optional<Box> draw_erased(RandomStream random, double probability, std::int64_t height,
                               std::int64_t width) {
  if (random.uniform() >= probability) return std::nullopt;
  const auto area = static_cast<double>(height * width);
  for (int i = 0; i < tries; ++i) {
    const auto [h, w] = draw_sides(random, 0.02 * area, 0.33 * area, 0.3, 3.3);
    if (h < height && w < width) return draw_place(random, h, w, height, width);
  }
  return std::nullopt;
}

}  // namespace

Augmentation draw_augmentation(std::uint64_t seed, std::uint64_t epoch, const SampleCopy& sample,
                               const Config::Augmentation& settings, std::int64_t height,
                               std::int64_t width) {
  const auto stream = [&](Purpose purpose) {
    const auto index = static_cast<std::uint64_t>(sample.sample + (sample.copy << 40));
    return RandomStream(seed, purpose, epoch, index);
  };
  Augmentation drawn;
  drawn.crop_and_flip = draw_crop_and_flip(stream(Purpose::augmentation), settings);
  if (settings.random_resized_crop) {
    drawn.resized_crop =
        draw_resized_crop(stream(Purpose::resized_crop), settings.resized_crop_min_scale, height, width);
  }
  auto random_augment = stream(Purpose::random_augment);
  drawn.operations = draw_operations(random_augment, settings, height, width);
  drawn.jitter = draw_jitter(stream(Purpose::colour_jitter), settings);
  drawn.erased = draw_erased(stream(Purpose::random_erasing), settings.random_erasing, height, width);
  return drawn;
}

}  // namespace lockstep
