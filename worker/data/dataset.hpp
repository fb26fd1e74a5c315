// Labelled images in memory, as they come from disk: bytes, not yet normalised.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/hash.hpp"

namespace lockstep {

/// `count` images of height x width x channels bytes each (NHWC) and their labels 0 .. classes - 1.
struct Images {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;

  const std::uint8_t* image(std::int64_t index) const {
    return pixels.data() + index * height * width * channels;
  }
};

/// The two parts of a data set.
struct Dataset {
  Images train, test;
  std::int64_t classes = 0;
  /// Hash of all bytes and labels used: ranks compare it, and a resumed run must find the same.
  Hash128 hash;
};

/// Mean and standard deviation of each channel over all pixels, scaled to 0..1. Sums are integers, hence
/// exact.
struct ChannelStatistics {
  std::vector<double> mean, std;
};
ChannelStatistics channel_statistics(const Images& images);

/// Reads MNIST-like IDX files (train-images-idx3-ubyte and so on, plain or .gz) from `folder`.
/// `train_samples` and `test_samples` keep only the first so many (0: all). Throws Error: ExitCode::io when a
/// file is missing or cut short, ExitCode::config when its content cannot be used (wrong magic, sizes that
/// disagree).
Dataset read_idx_dataset(const std::string& folder, std::int64_t train_samples, std::int64_t test_samples);

}  // namespace lockstep
