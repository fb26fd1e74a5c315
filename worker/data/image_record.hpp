// What is known of one image once its pixels have been seen.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
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

/// A quarter of a level: below it a channel counts as one that is the same in all images, and nothing is
/// divided by less. data.std has the same limit.
constexpr double least_deviation = 0.001;

/// Mean and standard deviation of each channel over all pixels, scaled to 0..1. Sums are integers, hence
/// exact. The deviation of a channel that is the same in all images is 1, which no other can have.
struct ChannelStatistics {
  std::vector<double> mean, std;
};
ChannelStatistics channel_statistics(std::span<const ImageRecord> records, const PixelShape& shape);

/// What people are told of channels that are the same in all images; "" for nothing.
std::string note_on_constant_channels(const ChannelStatistics& statistics);

/// The hash of the content of a part: its shape, all its pixels and labels.
Hash128 content_hash(std::span<const ImageRecord> records, const PixelShape& shape);

}  // namespace lockstep
