#include "worker/data/micro_batch.hpp"

#include "worker/data/augmented_picture.hpp"
#include "worker/data/mixing.hpp"

namespace lockstep {
namespace {

/// Blends image i with image n - 1 - i. In host memory, so that every device gets the same bits.
void mix(MicroBatch& batch, const Mix& drawn) {
  batch.share = drawn.share;
  batch.other_labels = batch.labels.flip(0);
  if (drawn.box) {
    const auto& box = *drawn.box;
    auto part = batch.images.narrow(2, box.top, box.height).narrow(3, box.left, box.width);
    part.copy_(part.flip(0));
  } else {
    const auto others = batch.images.flip(0);
    batch.images.mul_(drawn.share).add_(others.mul(1 - drawn.share));
  }
}

}  // namespace

MicroBatchMaker::MicroBatchMaker(const Images& images, const ChannelStatistics& statistics,
                                 bool channels_last, at::Device device)
    : images_(images),
      channels_last_(channels_last),
      pixel_stride_(channels_last ? images.channels : 1),
      channel_stride_(channels_last ? 1 : images.height * images.width),
      device_(device) {
  for (std::int64_t c = 0; c < images.channels; ++c) {
    for (int value = 0; value < 256; ++value) {
      value_of_.push_back(static_cast<float>((value / 255.0 - statistics.mean[c]) / statistics.std[c]));
    }
  }
}

template <int channels>
void MicroBatchMaker::normalise_channels(const std::uint8_t* from, const CropAndFlip& crop,
                                         std::int64_t padding, float* to) const {
  const auto width = images_.width, pixel_stride = pixel_stride_, channel_stride = channel_stride_;
  const auto* value_of = value_of_.data();
  crop_and_flip(from, images_.height, width, channels, crop, padding, [=](auto y, auto x, const auto* pixel) {
    float* out = to + (y * width + x) * pixel_stride;
    for (int c = 0; c < channels; ++c) out[c * channel_stride] = value_of[c * 256 + pixel[c]];
  });
}

void MicroBatchMaker::normalise(const std::uint8_t* from, const CropAndFlip& crop, std::int64_t padding,
                                float* to) const {
  if (images_.channels == 3) {
    normalise_channels<3>(from, crop, padding, to);
  } else {
    normalise_channels<1>(from, crop, padding, to);
  }
}

void MicroBatchMaker::erase(const Box& box, float* image) const {
  for (auto y = box.top; y < box.top + box.height; ++y) {
    for (auto x = box.left; x < box.left + box.width; ++x) {
      float* pixel = image + (y * images_.width + x) * pixel_stride_;
      for (std::int64_t c = 0; c < images_.channels; ++c) pixel[c * channel_stride_] = 0;
    }
  }
}

MicroBatch MicroBatchMaker::uninitialised(std::int64_t n) const {
  const auto format = channels_last_ ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  return {at::empty({n, images_.channels, images_.height, images_.width},
                    at::TensorOptions().memory_format(format)),
          at::empty({n}, at::kLong)};
}

MicroBatch MicroBatchMaker::on_device(const MicroBatch& batch) const {
  return {batch.images.to(device_), batch.labels.to(device_),
          batch.other_labels.defined() ? batch.other_labels.to(device_) : at::Tensor(), batch.share};
}

MicroBatch MicroBatchMaker::plain(std::span<const std::int64_t> samples) const {
  auto batch = uninitialised(std::ssize(samples));
  auto* out = batch.images.data_ptr<float>();
  static thread_local Decoder decoder;  // scratch memory; making one anew costs page faults
  for (std::int64_t i = 0; i < std::ssize(samples); ++i) {
    normalise(images_.image(samples[i], decoder), {}, 0,
              out + i * images_.height * images_.width * images_.channels);
    batch.labels.data_ptr<std::int64_t>()[i] = images_.labels[samples[i]];
  }
  return on_device(batch);
}

MicroBatch MicroBatchMaker::augmented(std::span<const SampleCopy> samples, const AugmentationKey& key,
                                      const Config::Augmentation& asked) const {
  const auto settings = asked.enabled ? asked : Config::Augmentation{};  // by default nothing happens
  const auto height = images_.height, width = images_.width, padding = settings.crop_padding;
  auto batch = uninitialised(std::ssize(samples));
  Picture picture(height, width, images_.channels), scratch = picture;
  static thread_local Decoder decoder;  // scratch memory; making one anew costs page faults
  for (std::int64_t i = 0; i < std::ssize(samples); ++i) {
    const auto* from = images_.image(samples[i].sample, decoder);
    auto* out = batch.images.data_ptr<float>() + i * std::ssize(picture.pixels);
    batch.labels.data_ptr<std::int64_t>()[i] = images_.labels[samples[i].sample];
    const auto drawn = draw_augmentation(key.seed, key.epoch, samples[i], settings, height, width);
    if (drawn.changes_levels()) {
      augment(from, drawn, padding, picture, scratch);
      normalise(picture.pixels.data(), {}, 0, out);
    } else {
      normalise(from, drawn.crop_and_flip, padding, out);
    }
    if (drawn.erased) erase(*drawn.erased, out);
  }
  if (const auto drawn = draw_mix(key.seed, key.step, key.micro_batch, settings, height, width))
    mix(batch, *drawn);
  return batch;
}

}  // namespace lockstep
