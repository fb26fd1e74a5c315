#include "collectives/bucket_format.hpp"

#include <cstring>

namespace lockstep {

std::int64_t BucketFormat::rounded_elements(Range bucket) const {
  return common_part(bucket, {0, rounding_.end}).size();
}

std::int64_t BucketFormat::message_bytes(Range bucket) const {
  return 4 * bucket.size() - 2 * rounded_elements(bucket);
}

void BucketFormat::encode(const float* values, Range bucket, std::byte* message) const {
  const auto rounded = rounded_elements(bucket);
  auto* codes = reinterpret_cast<std::uint16_t*>(message);
  for (std::int64_t i = 0; i < rounded; ++i) codes[i] = encoded(values[i], rounding_.format);
  std::memcpy(codes + rounded, values + rounded,
              sizeof(float) * static_cast<std::size_t>(bucket.size() - rounded));
}

void BucketFormat::decode(const std::byte* message, Range bucket, float* values) const {
  const auto rounded = rounded_elements(bucket);
  const auto* codes = reinterpret_cast<const std::uint16_t*>(message);
  for (std::int64_t i = 0; i < rounded; ++i) values[i] = decoded(codes[i], rounding_.format);
  std::memcpy(values + rounded, codes + rounded,
              sizeof(float) * static_cast<std::size_t>(bucket.size() - rounded));
}

void BucketFormat::add(std::vector<const float*> partial_sums, std::span<const Merge> merges, float* sum,
                       Range bucket, Stores stores) const {
  const auto rounded = rounded_elements(bucket);
  add_tree(partial_sums, merges, sum, rounded, rounding_.format);
  for (auto& partial_sum : partial_sums) partial_sum += rounded;
  add_tree(partial_sums, merges, sum + rounded, bucket.size() - rounded, GradientFormat::float32, stores);
}

}  // namespace lockstep
