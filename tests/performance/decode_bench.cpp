// Images per second on one core: libjpeg-turbo's decoding alone, and the whole path of an image into a
// micro-batch; then with two loader threads. tests/performance/loader.py compares that with torchvision.
//   build/bin/decode_bench DATA     (a folder or tar file of JPEGs of one size)
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <turbojpeg.h>

#include <iostream>
#include <numeric>

#include "configs/load.hpp"
#include "worker/data/examination.hpp"
#include "worker/data/find_data.hpp"
#include "worker/data/loader.hpp"
#include "worker/data/micro_batch.hpp"

namespace {

using namespace lockstep;

constexpr std::int64_t most_images = 4096, batch_size = 32;

/// The first images of the training set: as encoded files, and as training reads them.
struct Bench {
  std::shared_ptr<EncodedImages> encoded;
  Images images;
  ChannelStatistics statistics;
  std::vector<std::vector<std::byte>> files;
};
Bench bench;

std::vector<std::byte> file_of(const EncodedImages& images, std::int64_t i) {
  if (images.samples[i].bytes.data()) return {images.samples[i].bytes.begin(), images.samples[i].bytes.end()};
  const MappedFile file(images.path_of(i));
  return {file.bytes().begin(), file.bytes().end()};
}

void prepare(const std::string& path) {
  auto settings = load_defaults({}).config.data;
  settings.path = path;
  settings.train_samples = most_images;
  settings.test_samples = 1;
  bench.encoded = std::make_shared<EncodedImages>(std::get<EncodedImages>(find_data(settings)));
  auto& encoded = *bench.encoded;
  std::vector<Examined> table(static_cast<std::size_t>(encoded.count()));
  look_at_headers(encoded, {0, encoded.count()}, table, 1);
  choose_shape(encoded, table, settings);
  examine(encoded, {0, encoded.count()}, {nullptr, 0}, table, 1);
  refuse_damaged(encoded, table, settings);
  const auto sound = sound_among(table, {0, encoded.train_count});
  auto& images = bench.images;
  images.count = encoded.train_count;
  images.height = encoded.shape.height;
  images.width = encoded.shape.width;
  images.channels = encoded.shape.channels;
  images.encoded = bench.encoded;
  for (const auto& record : sound.records) {
    images.labels.push_back(record.label);
    images.hashes.push_back(record.hash);
  }
  bench.statistics = channel_statistics(sound.records, encoded.shape);
  for (std::int64_t i = 0; i < images.count; ++i) bench.files.push_back(file_of(encoded, i));
}

/// The lower bound: only tjDecompress2, with the same transform, from memory into one buffer.
void libjpeg_turbo_alone(benchmark::State& state) {
  const auto handle = tjInitDecompress();
  const auto& images = bench.images;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(images.shape().bytes()));
  std::int64_t done = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < batch_size; ++i) {
      const auto& file = bench.files[static_cast<std::size_t>(done++ % images.count)];
      tjDecompress2(handle, reinterpret_cast<const unsigned char*>(file.data()), file.size(), pixels.data(),
                    static_cast<int>(images.width), 0, static_cast<int>(images.height),
                    images.channels == 3 ? TJPF_RGB : TJPF_GRAY, TJFLAG_ACCURATEDCT);
      benchmark::DoNotOptimize(pixels.data());
    }
  }
  tjDestroy(handle);
  state.SetItemsProcessed(done);
}

Config::Augmentation crop_and_flip_settings() {
  Config::Augmentation settings{};
  settings.crop_padding = 4;
  settings.flip_probability = 0.5;
  return settings;
}

/// Decode, verify, crop with padding 4, flip, normalise: a micro-batch of 32, channels last.
void into_a_micro_batch(benchmark::State& state) {
  const MicroBatchMaker maker(bench.images, bench.statistics, true, at::kCPU);
  const auto settings = crop_and_flip_settings();
  std::int64_t done = 0;
  for (auto _ : state) {
    std::vector<SampleCopy> samples;
    for (std::int64_t i = 0; i < batch_size; ++i) samples.push_back({done++ % bench.images.count});
    benchmark::DoNotOptimize(maker.augmented(samples, {1, 0, 0, 0}, settings));
  }
  state.SetItemsProcessed(done);
}

/// The same with two loader threads, in wall-clock time.
void loader_of_two_threads(benchmark::State& state) {
  const MicroBatchMaker maker(bench.images, bench.statistics, true, at::kCPU);
  const auto settings = crop_and_flip_settings();
  const auto make = [&](std::int64_t position) {
    std::vector<SampleCopy> samples;
    for (std::int64_t i = 0; i < batch_size; ++i)
      samples.push_back({(position * batch_size + i) % bench.images.count});
    return maker.augmented(samples, {1, 0, 0, 0}, settings);
  };
  Loader loader(make, std::int64_t{1} << 40, 2, 8);
  std::int64_t position = 0;
  for (auto _ : state) benchmark::DoNotOptimize(loader.get(position++));
  state.SetItemsProcessed(position * batch_size);
}

BENCHMARK(libjpeg_turbo_alone);
BENCHMARK(into_a_micro_batch);
BENCHMARK(loader_of_two_threads)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 2) {
    std::cerr << "usage: decode_bench DATA [--benchmark_...]\n";
    return 1;
  }
  at::set_num_threads(1);
  try {
    prepare(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
}
