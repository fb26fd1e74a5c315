#include "worker/data/image_record.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

/// Sums the levels and their squares. 64 bits suffice: a channel has at most 2^28 levels, their squares are
/// below 2^32.
template <int channels>
void add_levels(const std::uint8_t* pixels, std::int64_t area, ImageRecord& record) {
  std::array<std::uint64_t, channels> sums{}, squares{};
  for (std::int64_t i = 0; i < area; ++i) {
    for (int c = 0; c < channels; ++c) {
      const std::uint32_t level = pixels[i * channels + c];
      sums[c] += level;
      squares[c] += level * level;
    }
  }
  std::ranges::copy(sums, record.sums.begin());
  std::ranges::copy(squares, record.squares.begin());
}

}  // namespace

ImageRecord record_of(const std::uint8_t* pixels, const PixelShape& shape, std::int64_t label) {
  ImageRecord record{hash_bytes(pixels, static_cast<std::size_t>(shape.bytes())), label, {}, {}};
  const auto area = shape.height * shape.width;
  if (shape.channels == 3) {
    add_levels<3>(pixels, area, record);
  } else {
    add_levels<1>(pixels, area, record);
  }
  return record;
}

ChannelStatistics channel_statistics(std::span<const ImageRecord> records, const PixelShape& shape) {
  ChannelStatistics result;
  const double pixels = static_cast<double>(std::ssize(records) * shape.height * shape.width);
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    std::uint64_t sum = 0, squares = 0;
    for (const auto& record : records) {
      sum += record.sums[c];
      squares += record.squares[c];
    }
    const double mean = static_cast<double>(sum) / pixels;
    const double variance = static_cast<double>(squares) / pixels - mean * mean;
    result.mean.push_back(mean / 255.0);
    const double deviation = std::sqrt(std::max(variance, 1e-12)) / 255.0;
    result.std.push_back(deviation < least_deviation ? 1.0 : deviation);
  }
  return result;
}

std::string note_on_constant_channels(const ChannelStatistics& statistics) {
  std::string which;
  for (std::size_t c = 0; c < statistics.std.size(); ++c) {
    if (statistics.std[c] == 1) which += (which.empty() ? "" : ", ") + std::to_string(c);
  }
  if (which.empty()) return "";
  return "the training images never change in channel " + which +
         " (its deviation is below 0.001 of white, and 1 is taken instead) make sure that this is meant";
}

Hash128 content_hash(std::span<const ImageRecord> records, const PixelShape& shape) {
  const std::int64_t numbers[] = {std::ssize(records), shape.height, shape.width, shape.channels};
  std::vector<Hash128> hashes{hash_bytes(numbers, sizeof numbers)};
  std::vector<std::int64_t> labels;
  for (const auto& record : records) {
    hashes.push_back(record.hash);
    labels.push_back(record.label);
  }
  hashes.push_back(hash_bytes(labels.data(), labels.size() * sizeof(std::int64_t)));
  return hash_of_hashes(hashes);
}

}  // namespace lockstep
