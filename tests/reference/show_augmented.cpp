// Shows what augmentation makes of images: show_augmented CONFIG IMAGES COUNT HEIGHT WIDTH CHANNELS STEPS OUT
//
// IMAGES has COUNT images of uint8 [height][width][channels]; the label of each is its number. For every
// micro-batch of the first STEPS steps, writes to OUT its share (float64), labels, other labels (int64, -1
// where there are none) and images (float32, NCHW). Prints the microseconds per image.
#include <chrono>
#include <fstream>
#include <iostream>
#include <numeric>

#include "configs/derive.hpp"
#include "configs/load.hpp"
#include "worker/data/micro_batch.hpp"
#include "worker/optim/schedule.hpp"

namespace {

using namespace lockstep;

Images read_images(const std::string& path, std::int64_t count, std::int64_t height, std::int64_t width,
                   std::int64_t channels) {
  Images images;
  images.count = images.decoded = count;
  images.height = height;
  images.width = width;
  images.channels = channels;
  const std::shared_ptr<std::uint8_t[]> pixels(new std::uint8_t[count * height * width * channels]);
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(pixels.get()), count * height * width * channels);
  images.pixels = {pixels, pixels.get()};
  images.labels.resize(count);
  std::iota(images.labels.begin(), images.labels.end(), 0);
  return images;
}

ChannelStatistics statistics_of(const Images& images) {
  std::vector<ImageRecord> records;
  Decoder decoder;
  for (std::int64_t i = 0; i < images.count; ++i)
    records.push_back(record_of(images.image(i, decoder), images.shape(), i));
  return channel_statistics(records, images.shape());
}

void write(std::ostream& out, const MicroBatch& batch) {
  const auto images = batch.images.contiguous();
  const auto others = batch.other_labels.defined() ? batch.other_labels : at::full_like(batch.labels, -1);
  out.write(reinterpret_cast<const char*>(&batch.share), sizeof batch.share);
  for (const auto& tensor : {batch.labels, others, images})
    out.write(static_cast<const char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
}

}  // namespace

int main(int, char** argv) {
  const auto number = [&](int i) { return std::stoll(argv[i]); };
  const auto config = load_config(argv[1]).config;
  const auto images = read_images(argv[2], number(3), number(4), number(5), number(6));
  const auto statistics =
      config.data.mean.empty() ? statistics_of(images) : ChannelStatistics{config.data.mean, config.data.std};
  const MicroBatchMaker maker(images, statistics, true, at::kCPU);
  const auto seed = static_cast<std::uint64_t>(config.run.seed);
  const auto n = resolved_micro_batch_size(config), micro_batches = micro_batches_per_step(config);
  const auto steps_per_epoch = extent_of(config, images.count).steps_per_epoch;
  std::ofstream out(argv[8], std::ios::binary);
  std::chrono::duration<double, std::micro> spent{};
  for (std::int64_t step = 0; step < number(7); ++step) {
    const auto epoch = static_cast<std::uint64_t>(step / steps_per_epoch);
    const SampleOrder order(seed, epoch, images.count);
    for (std::int64_t i = 0; i < micro_batches; ++i) {
      const auto first = (step % steps_per_epoch * micro_batches + i) * n;
      const auto samples = copies_in_order(order, first, n, config.augmentation.repeated_augmentation);
      const auto start = std::chrono::steady_clock::now();
      const AugmentationKey key(seed, epoch, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(i));
      const auto batch = maker.augmented(samples, key, config.augmentation);
      spent += std::chrono::steady_clock::now() - start;
      write(out, batch);
    }
  }
  std::cout << spent.count() / static_cast<double>(number(7) * micro_batches * n) << "\n";
}
