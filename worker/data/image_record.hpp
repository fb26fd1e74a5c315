// What is known of one image once its pixels have been seen.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "common/hash.hpp"
#include "worker/data/decoder.hpp"

namespace lockstep {

/// 72 bytes, as in a packed file (docs/data_format.md).
struct ImageRecord {
  Hash128 hash;  ///< of its pixels
  std::int64_t label = 0;
  /// Of each channel's levels 0 .. 255, and of their squares.
  std::array<std::uint64_t, 3> sums{}, squares{};
};
static_assert(sizeof(ImageRecord) == 72);

ImageRecord record_of(const std::uint8_t* pixels, const PixelShape& shape, std::int64_t label);

/// Mean and standard deviation of each channel over all pixels, scaled to 0..1. Sums are integers, hence
/// exact.
struct ChannelStatistics {
  std::vector<double> mean, std;
};
ChannelStatistics channel_statistics(std::span<const ImageRecord> records, const PixelShape& shape);

/// The hash of the content of a part: its shape, all its pixels and labels.
Hash128 content_hash(std::span<const ImageRecord> records, const PixelShape& shape);

}  // namespace lockstep
