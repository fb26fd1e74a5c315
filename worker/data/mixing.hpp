// MixUp and CutMix: the images of a micro-batch blended in pairs.
#pragma once

#include <cstdint>
#include <optional>

#include "common/random.hpp"
#include "configs/config.hpp"
#include "worker/data/picture.hpp"

namespace lockstep {

/// How the images of a micro-batch of n are mixed: image i with image n - 1 - i.
struct Mix {
  double share;            ///< of image i in the result and in its target
  std::optional<Box> box;  ///< CutMix: what comes from the other image. MixUp: nullopt, all is blended
};

/// Draws from Beta(alpha, alpha), alpha > 0: X / (X + Y) of two draws from Gamma(alpha) by Marsaglia and
/// Tsang 2000 ("A simple method for generating gamma variables"), with their factor U^(1/alpha) for alpha <
/// 1. Computed in logarithms, so that a small alpha cannot give 0 / 0.
double draw_beta(RandomStream& random, double alpha);

/// Draws how micro-batch `micro_batch` of `step` is mixed, for images of this size, as a function of the
/// arguments alone: with probability cutmix_prob CutMix (Yun et al. 2019), else MixUp (Zhang et al. 2018) if
/// mixup_alpha > 0, else nullopt. CutMix: the box is centred anywhere in the image, its sides are sqrt(1 -
/// share) of the image's, and it is cut off at the border; the share then becomes that of the pixels outside
/// of the box.
std::optional<Mix> draw_mix(std::uint64_t seed, std::uint64_t step, std::uint64_t micro_batch,
                            const Config::Augmentation& settings, std::int64_t height, std::int64_t width);

}  // namespace lockstep
