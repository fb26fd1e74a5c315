// A planted mistake, to test the tests: replaces worker/data/augmentation.cpp and draws from one stream per
// rank, like a program that seeds a generator with its rank.
#include <cstdlib>

#include "common/random.hpp"
#include "worker/data/augmentation.hpp"

namespace lockstep {

Augmentation draw_augmentation(std::uint64_t seed, std::uint64_t, const SampleCopy&,
                               const Config::Augmentation& settings, std::int64_t, std::int64_t) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  static RandomStream random(seed, Purpose::augmentation, 0, rank ? std::strtoull(rank, nullptr, 10) : 0);
  Augmentation drawn;
  drawn.crop_and_flip.top = random.below(2 * settings.crop_padding + 1);
  drawn.crop_and_flip.left = random.below(2 * settings.crop_padding + 1);
  drawn.crop_and_flip.flip = random.uniform() < settings.flip_probability;
  return drawn;
}

}  // namespace lockstep
