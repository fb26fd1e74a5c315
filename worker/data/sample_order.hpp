// The order in which an epoch visits the samples: a keyed permutation, computed sample by sample.
#pragma once

#include <cstdint>
#include <vector>

namespace lockstep {

/// A permutation of 0 .. count - 1 that depends on (seed, epoch) alone; at(i) costs O(1) time and no memory.
/// A balanced Feistel network over the next even power of two with Philox as its round function, applied
/// until the value is below `count` (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite
/// domains", CT-RSA 2002).
class SampleOrder {
 public:
  SampleOrder(std::uint64_t seed, std::uint64_t epoch, std::int64_t count);
  /// The sample at `position` of the epoch; 0 <= position < count.
  std::int64_t at(std::int64_t position) const;

 private:
  std::uint64_t encrypt(std::uint64_t value) const;

  std::uint64_t seed_, epoch_;
  std::int64_t count_;
  int half_bits_;
};

/// One copy of a sample in an epoch; `copy` is 0 if there is only one.
struct SampleCopy {
  std::int64_t sample, copy = 0;
};

/// The sample copies at positions first .. first + count - 1 of an epoch in which each sample of `order`
/// appears `copies` times in a row (repeated augmentation, Hoffer et al. 2020).
std::vector<SampleCopy> copies_in_order(const SampleOrder& order, std::int64_t first, std::int64_t count,
                                        std::int64_t copies);

}  // namespace lockstep
