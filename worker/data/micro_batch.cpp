#include "worker/data/micro_batch.hpp"

namespace lockstep {

MicroBatchMaker::MicroBatchMaker(const Images& images, const ChannelStatistics& statistics,
                                 bool channels_last, at::Device device)
    : images_(images), channels_last_(channels_last), device_(device) {
  for (std::int64_t c = 0; c < images.channels; ++c) {
    for (int value = 0; value < 256; ++value) {
      value_of_.push_back(static_cast<float>((value / 255.0 - statistics.mean[c]) / statistics.std[c]));
    }
  }
}

void MicroBatchMaker::copy_image(std::int64_t sample, CropAndFlip crop, std::int64_t padding,
                                 float* to) const {
  const auto height = images_.height, width = images_.width, channels = images_.channels;
  const auto* from = images_.image(sample);
  const auto pixel_stride = channels_last_ ? channels : 1;
  const auto channel_stride = channels_last_ ? 1 : height * width;
  for (std::int64_t y = 0; y < height; ++y) {
    const auto source_y = y + crop.top - padding;
    for (std::int64_t x = 0; x < width; ++x) {
      const auto source_x = (crop.flip ? width - 1 - x : x) + crop.left - padding;
      const bool inside = source_y >= 0 && source_y < height && source_x >= 0 && source_x < width;
      const auto* pixel = from + (source_y * width + source_x) * channels;
      float* out = to + (y * width + x) * pixel_stride;
      for (std::int64_t c = 0; c < channels; ++c) {
        out[c * channel_stride] = value_of_[c * 256 + (inside ? pixel[c] : 0)];
      }
    }
  }
}

MicroBatch MicroBatchMaker::assemble(std::span<const std::int64_t> samples,
                                     std::span<const CropAndFlip> crops, std::int64_t padding) const {
  const auto n = static_cast<std::int64_t>(samples.size());
  MicroBatch batch;
  batch.images = at::empty({n, images_.channels, images_.height, images_.width},
                           at::TensorOptions().memory_format(channels_last_ ? at::MemoryFormat::ChannelsLast
                                                                            : at::MemoryFormat::Contiguous));
  batch.labels = at::empty({n}, at::kLong);
  auto* pixels = batch.images.data_ptr<float>();
  auto* labels = batch.labels.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    copy_image(samples[i], crops.empty() ? CropAndFlip{} : crops[i], padding,
               pixels + i * images_.channels * images_.height * images_.width);
    labels[i] = images_.labels[samples[i]];
  }
  return {batch.images.to(device_), batch.labels.to(device_)};
}

MicroBatch MicroBatchMaker::plain(std::span<const std::int64_t> samples) const {
  return assemble(samples, {}, 0);
}

MicroBatch MicroBatchMaker::augmented(std::span<const std::int64_t> samples, std::uint64_t seed,
                                      std::uint64_t epoch, const Config::Augmentation& settings) const {
  if (!settings.enabled) return plain(samples);
  std::vector<CropAndFlip> crops;
  for (auto sample : samples) crops.push_back(draw_crop_and_flip(seed, epoch, sample, settings));
  return assemble(samples, crops, settings.crop_padding);
}

}  // namespace lockstep
