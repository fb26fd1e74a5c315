// Turns samples into the input of a micro-batch: augmentation, normalisation, layout, mixing.
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
  /// Labels of the other image of each pair that MixUp or CutMix has blended, int64 [n]: the target of sample
  /// i is `share` of labels[i] and the rest of other_labels[i]. Undefined if nothing was blended.
  at::Tensor other_labels = {};
  double share = 1;
};

/// The key of a micro-batch's random numbers, besides its samples.
struct AugmentationKey {
  std::uint64_t seed, epoch, step, micro_batch;
};

/// Makes micro-batches of one part of a data set.
class MicroBatchMaker {
 public:
  /// `images` must outlive the maker. Pixels become (value / 255 - mean) / std per channel. `channels_last`
  /// chooses the memory layout only, `device` is the one that plain() and on_device() copy to.
  MicroBatchMaker(const Images& images, const ChannelStatistics& statistics, bool channels_last,
                  at::Device device);

  /// The given samples as they are, on the device.
  MicroBatch plain(std::span<const std::int64_t> samples) const;
  /// The given samples, augmented and mixed, in host memory. Before normalisation, pixels are whole levels 0
  /// .. 255, and 0 outside of the image. An erased rectangle is 0 after normalisation. Mixing is in float32.
  MicroBatch augmented(std::span<const SampleCopy> samples, const AugmentationKey& key,
                       const Config::Augmentation& asked) const;
  /// A copy of the batch on the device.
  MicroBatch on_device(const MicroBatch& batch) const;

 private:
  MicroBatch uninitialised(std::int64_t n) const;
  void normalise(const std::uint8_t* from, const CropAndFlip& crop, std::int64_t padding, float* to) const;
  template <int channels>
  void normalise_channels(const std::uint8_t* from, const CropAndFlip& crop, std::int64_t padding,
                          float* to) const;
  void erase(const Box& box, float* image) const;

  const Images& images_;
  std::vector<float> value_of_;  ///< [channels][256]
  bool channels_last_;
  std::int64_t pixel_stride_, channel_stride_;
  at::Device device_;
};

}  // namespace lockstep
