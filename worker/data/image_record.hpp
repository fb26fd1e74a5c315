// What is known about one image once its pixels have been read.
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
  /// Sums of each channel's levels, 0 .. 255, and of their squares.
  std::array<std::uint64_t, 3> sums{}, squares{};
};
static_assert(sizeof(ImageRecord) == 72);

/// The record of an image with these `pixels`, uint8 [height][width][channels].
ImageRecord record_of(const std::uint8_t* pixels, const PixelShape& shape, std::int64_t label);

/// A quarter of a level, scaled to 0..1. A channel with a smaller deviation counts as the same in all images,
/// and nothing is divided by less. data.std has the same limit.
constexpr double least_deviation = 0.001;

/// Mean and standard deviation of each channel over all pixels, scaled to 0..1. Sums are integers, hence
/// exact. The deviation of a channel that is the same in all images is set to 1, which no other channel can
/// have.
struct ChannelStatistics {
  std::vector<double> mean, std;
};
ChannelStatistics channel_statistics(std::span<const ImageRecord> records, const PixelShape& shape);

/// A line for the user on channels that are the same in all images; "" if there are none.
std::string note_on_constant_channels(const ChannelStatistics& statistics);

/// The hash of the content of a part: its shape, all its pixels and labels.
Hash128 content_hash(std::span<const ImageRecord> records, const PixelShape& shape);

}  // namespace lockstep
