#include "worker/data/augmentation.hpp"

#include "worker/random.hpp"

namespace lockstep {

CropAndFlip draw_crop_and_flip(std::uint64_t seed, std::uint64_t epoch, std::int64_t sample,
                               const Config::Augmentation& settings) {
  RandomStream random(seed, Purpose::augmentation, epoch, static_cast<std::uint64_t>(sample));
  CropAndFlip drawn;
  drawn.top = random.below(2 * settings.crop_padding + 1);
  drawn.left = random.below(2 * settings.crop_padding + 1);
  drawn.flip = random.uniform() < settings.flip_probability;
  return drawn;
}

}  // namespace lockstep
