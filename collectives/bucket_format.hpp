// How a bucket of gradients is added and sent where a part of the flat buffer is rounded to 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "collectives/add_tree.hpp"
#include "collectives/gradient_format.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// Buckets are ranges of the flat buffer; all pointers are to their first element. Their rounded elements
/// come first, since the rounded part of the buffer does.
class BucketFormat {
 public:
  explicit BucketFormat(Rounding rounding) : rounding_(rounding) {}

  /// Whether messages have another form than values in memory.
  bool encodes() const { return rounding_.end > 0; }
  std::int64_t message_bytes(Range bucket) const;
  void encode(const float* values, Range bucket, std::byte* message) const;
  void decode(const std::byte* message, Range bucket, float* values) const;

  /// add_tree() with every sum rounded as its element is.
  void add(std::vector<const float*> partial_sums, std::span<const Merge> merges, float* sum, Range bucket,
           Stores stores = Stores::cached) const;

 private:
  std::int64_t rounded_elements(Range bucket) const;

  Rounding rounding_;
};

}  // namespace lockstep
