#include "worker/data/sample_order.hpp"

#include "common/random.hpp"

namespace lockstep {

SampleOrder::SampleOrder(std::uint64_t seed, std::uint64_t epoch, std::int64_t count)
    : seed_(seed), epoch_(epoch), count_(count), half_bits_(1) {
  while ((std::int64_t{1} << (2 * half_bits_)) < count) ++half_bits_;
}

std::uint64_t SampleOrder::encrypt(std::uint64_t value) const {
  constexpr std::uint64_t rounds = 6;  // four make a strong pseudo-random permutation (Luby and Rackoff 1988)
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_, right = value & mask;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RandomStream f(seed_, Purpose::sample_order, epoch_, right * rounds + round);
    const std::uint64_t next = (left ^ f.next()) & mask;
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

std::int64_t SampleOrder::at(std::int64_t position) const {
  auto value = static_cast<std::uint64_t>(position);
  do {
    value = encrypt(value);
  } while (value >= static_cast<std::uint64_t>(count_));
  return static_cast<std::int64_t>(value);
}

std::vector<SampleCopy> copies_in_order(const SampleOrder& order, std::int64_t first, std::int64_t count,
                                        std::int64_t copies) {
  std::vector<SampleCopy> result;
  for (auto position = first; position < first + count; ++position)
    result.push_back({order.at(position / copies), position % copies});
  return result;
}

}  // namespace lockstep
