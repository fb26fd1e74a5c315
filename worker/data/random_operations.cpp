#include "worker/data/random_operations.hpp"

#include <cmath>

#include "worker/data/colour.hpp"
#include "worker/data/geometry.hpp"
#include "worker/data/tone.hpp"

namespace lockstep {
namespace {

constexpr int kinds = 14, bins = 31;

/// The weakest and the strongest magnitude.
struct Range {
  double first, last;
  bool two_sided = false;  ///< the sign is drawn at random
};

Range rand_augment_range(OperationKind kind, std::int64_t height, std::int64_t width) {
  switch (kind) {
    case OperationKind::shear_x:
    case OperationKind::shear_y:
      return {0, 0.3, true};
    case OperationKind::translate_x:
      return {0, 150.0 / 331.0 * static_cast<double>(width), true};
    case OperationKind::translate_y:
      return {0, 150.0 / 331.0 * static_cast<double>(height), true};
    case OperationKind::rotate:
      return {0, 30, true};
    case OperationKind::brightness:
    case OperationKind::saturation:
    case OperationKind::contrast:
    case OperationKind::sharpness:
      return {0, 0.9, true};
    case OperationKind::posterize:
      return {8, 4};
    case OperationKind::solarize:
      return {255, 0};
    default:
      return {0, 0};
  }
}

Range trivial_augment_range(OperationKind kind) {
  switch (kind) {
    case OperationKind::translate_x:
    case OperationKind::translate_y:
      return {0, 32, true};
    case OperationKind::rotate:
      return {0, 135, true};
    case OperationKind::posterize:
      return {8, 2};
    case OperationKind::solarize:
      return {255, 0};
    case OperationKind::identity:
    case OperationKind::autocontrast:
    case OperationKind::equalize:
      return {0, 0};
    default:
      return {0, 0.99, true};
  }
}

/// Magnitude number `bin` of `bins`, computed in float32 from the nearer end, as torch.linspace does.
float magnitude_of(const Range& range, std::int64_t bin) {
  const auto first = static_cast<float>(range.first), last = static_cast<float>(range.last);
  const float step = (last - first) / (bins - 1);
  return bin < bins / 2 ? first + step * static_cast<float>(bin)
                        : last - step * static_cast<float>(bins - 1 - bin);
}

}  // namespace

std::vector<Operation> draw_operations(RandomStream& random, const Config::Augmentation& settings,
                                       std::int64_t height, std::int64_t width) {
  std::vector<Operation> drawn;
  const auto layers = settings.rand_augment ? settings.rand_augment_layers : settings.trivial_augment ? 1 : 0;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto kind = static_cast<OperationKind>(random.below(kinds));
    const auto range =
        settings.rand_augment ? rand_augment_range(kind, height, width) : trivial_augment_range(kind);
    const auto bin = settings.rand_augment ? settings.rand_augment_magnitude : random.below(bins);
    const auto magnitude = static_cast<double>(magnitude_of(range, bin));
    const bool other_side = random.below(2) == 1;
    drawn.push_back({kind, range.two_sided && other_side ? -magnitude : magnitude});
  }
  return drawn;
}

void apply(const Operation& operation, Picture& picture, Picture& scratch) {
  const double magnitude = operation.magnitude;
  switch (operation.kind) {
    case OperationKind::identity:
      return;
    case OperationKind::shear_x:
      return warp(picture, shear_x(magnitude, picture), scratch);
    case OperationKind::shear_y:
      return warp(picture, shear_y(magnitude, picture), scratch);
    case OperationKind::translate_x:
      return warp(picture, translation(std::trunc(magnitude), 0), scratch);
    case OperationKind::translate_y:
      return warp(picture, translation(0, std::trunc(magnitude)), scratch);
    case OperationKind::rotate:
      return warp(picture, rotation(magnitude), scratch);
    case OperationKind::brightness:
      return adjust_brightness(picture, 1 + magnitude);
    case OperationKind::saturation:
      return adjust_saturation(picture, 1 + magnitude);
    case OperationKind::contrast:
      return adjust_contrast(picture, 1 + magnitude);
    case OperationKind::sharpness:
      return adjust_sharpness(picture, 1 + magnitude, scratch);
    case OperationKind::posterize:
      return posterize(picture, static_cast<int>(std::nearbyint(magnitude)));
    case OperationKind::solarize:
      return solarize(picture, magnitude);
    case OperationKind::autocontrast:
      return autocontrast(picture);
    case OperationKind::equalize:
      return equalize(picture);
  }
}

}  // namespace lockstep
