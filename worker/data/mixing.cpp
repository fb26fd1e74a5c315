#include "worker/data/mixing.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

/// The logarithm of a draw from Gamma(alpha).
double draw_log_gamma(RandomStream& random, double alpha) {
  const double boost = alpha < 1 ? std::log(1 - random.uniform()) / alpha : 0;
  const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3.0, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), root = 1 + c * x, u = random.uniform();
    const double v = root * root * root;
    if (v > 0 && std::log(1 - u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v) + boost;
  }
}

/// One side of the box, [low, high), around its centre and cut off at the border of the image.
struct Side {
  std::int64_t low, high;
};

Side draw_side(RandomStream& random, std::int64_t size, double share_of_side) {
  const auto half = static_cast<std::int64_t>(static_cast<double>(size) * share_of_side) / 2;
  const auto centre = random.below(size);
  return {std::max<std::int64_t>(centre - half, 0), std::min(centre + half, size)};
}

Mix draw_cutmix(RandomStream& random, double alpha, std::int64_t height, std::int64_t width) {
  const double side = std::sqrt(1 - draw_beta(random, alpha));
  const auto y = draw_side(random, height, side), x = draw_side(random, width, side);
  const Box box{y.low, x.low, y.high - y.low, x.high - x.low};
  return {1 - static_cast<double>(box.height * box.width) / static_cast<double>(height * width), box};
}

}  // namespace

double draw_beta(RandomStream& random, double alpha) {
  const double x = draw_log_gamma(random, alpha), y = draw_log_gamma(random, alpha);
  return 1 / (1 + std::exp(y - x));
}

std::optional<Mix> draw_mix(std::uint64_t seed, std::uint64_t step, std::uint64_t micro_batch,
                            const Config::Augmentation& settings, std::int64_t height, std::int64_t width) {
  RandomStream random(seed, Purpose::mixing, step, micro_batch);
  if (random.uniform() < settings.cutmix_prob)
    return draw_cutmix(random, settings.cutmix_alpha, height, width);
  if (settings.mixup_alpha > 0) return Mix{draw_beta(random, settings.mixup_alpha), std::nullopt};
  return std::nullopt;
}

}  // namespace lockstep
