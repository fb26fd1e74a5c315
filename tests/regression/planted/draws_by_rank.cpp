// A planted mistake, for a test of the tests: takes the place of worker/data/augmentation.cpp and draws from
// one stream a rank, as a program would that seeds a generator with its rank.
#include <cstdlib>

#include "worker/data/augmentation.hpp"
#include "worker/random.hpp"

namespace lockstep {

CropAndFlip draw_crop_and_flip(std::uint64_t seed, std::uint64_t, std::int64_t,
                               const Config::Augmentation& settings) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  static RandomStream random(seed, Purpose::augmentation, 0, rank ? std::strtoull(rank, nullptr, 10) : 0);
  CropAndFlip drawn;
  drawn.top = random.below(2 * settings.crop_padding + 1);
  drawn.left = random.below(2 * settings.crop_padding + 1);
  drawn.flip = random.uniform() < settings.flip_probability;
  return drawn;
}

}  // namespace lockstep
