// Turns samples into the input of a micro-batch: augmentation, normalisation, layout.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "configs/config.hpp"
#include "worker/data/augmentation.hpp"
#include "worker/data/dataset.hpp"

namespace lockstep {

/// Images of a micro-batch, float32 [n, channels, height, width], and its labels, int64 [n].
struct MicroBatch {
  at::Tensor images, labels;
  /// Where MixUp or CutMix has blended pairs: the target of sample i is `share` of labels[i] and the rest of
  /// other_labels[i], int64 [n]. Undefined where nothing was blended.
  at::Tensor other_labels = {};
  double share = 1;
};

/// Makes micro-batches of one part of a data set.
class MicroBatchMaker {
 public:
  /// `images` must outlive the maker. Pixels become (value / 255 - mean) / std per channel. `channels_last`
  /// chooses the memory layout only, `device` where the micro-batches end up.
  MicroBatchMaker(const Images& images, const ChannelStatistics& statistics, bool channels_last,
                  at::Device device);

  /// The given samples as they are.
  MicroBatch plain(std::span<const std::int64_t> samples) const;
  /// The given samples, augmented for `epoch`. Pixels outside the image are 0 before normalisation.
  MicroBatch augmented(std::span<const std::int64_t> samples, std::uint64_t seed, std::uint64_t epoch,
                       const Config::Augmentation& settings) const;

 private:
  void copy_image(std::int64_t sample, CropAndFlip crop, std::int64_t padding, float* to) const;
  MicroBatch assemble(std::span<const std::int64_t> samples, std::span<const CropAndFlip> crops,
                      std::int64_t padding) const;

  const Images& images_;
  std::vector<float> value_of_;  ///< [channels][256]
  bool channels_last_;
  at::Device device_;
};

}  // namespace lockstep
