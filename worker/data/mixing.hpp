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

/// The share of one in Beta(alpha, alpha), alpha > 0: X / (X + Y) of two Gamma(alpha) by Marsaglia and Tsang
/// 2000 ("A simple method for generating gamma variables"), with their U^(1/alpha) below alpha = 1; in
/// logarithms, so that small alphas cannot give 0 / 0.
double draw_beta(RandomStream& random, double alpha);

/// The mixing of micro-batch `micro_batch` of `step`, of images of this size, a function of the arguments
/// alone: with probability cutmix_prob CutMix (Yun et al. 2019), else MixUp (Zhang et al. 2018) if
/// mixup_alpha > 0, else nullopt. CutMix: the box is centred anywhere, its sides are sqrt(1 - share) of the
/// image's, it is cut off at the border, and the share becomes that of the pixels left.
std::optional<Mix> draw_mix(std::uint64_t seed, std::uint64_t step, std::uint64_t micro_batch,
                            const Config::Augmentation& settings, std::int64_t height, std::int64_t width);

}  // namespace lockstep
