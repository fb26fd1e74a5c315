// Counter-based random numbers: every draw is a function of (seed, purpose, epoch or step, index, draw
// number). There is no generator state to checkpoint, and the order of calls does not matter.
#pragma once

#include <array>
#include <cstdint>

namespace lockstep {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// What a number is drawn for. Values are part of the numerics: never reorder them, only append.
enum class Purpose : std::uint32_t {
  sample_order = 1,
  augmentation = 2,  ///< crop with padding, and flip
  initialisation = 3,
  resized_crop = 4,
  random_augment = 5,
  colour_jitter = 6,
  random_erasing = 7,
  mixing = 8,
  sampled_labels = 9,
  dropout = 10,
  drop_path = 11,
  audit = 12,  ///< which micro-batch of a step is computed twice, and by whom
};

/// The draws of one (seed, purpose, when, index), in order. `when` is an epoch or a step (below 2^32),
/// `index` a sample, a micro-batch or a tensor.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t when, std::uint64_t index);

  std::uint32_t next();
  /// Uniform in [0, 1) with 53 bits.
  double uniform();
  /// Uniform in 0 .. count - 1; count >= 1. (Lemire's multiply-shift; its bias is below count / 2^32.)
  std::int64_t below(std::int64_t count);
  /// Standard normal (Box and Muller 1958).
  double normal();

 private:
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace lockstep
