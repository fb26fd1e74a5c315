#include "worker/data/dataset.hpp"

#include <algorithm>
#include <array>
#include <variant>

#include "common/clock.hpp"
#include "common/error.hpp"
#include "worker/data/class_notes.hpp"
#include "worker/data/examination.hpp"
#include "worker/data/find_data.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

/// This rank's share of `count` items that the ranks of the host divide; all of them if they cannot share
/// memory.
Range share_of(const HostMemory& memory, std::int64_t count) {
  return memory.shared() ? rank_range(count, memory.local_rank(), memory.local_size()) : Range{0, count};
}

std::shared_ptr<SharedBlock> shared_block(HostMemory& memory, std::int64_t bytes) {
  return std::make_shared<SharedBlock>(memory.allocate(static_cast<std::size_t>(bytes)));
}

std::shared_ptr<const std::uint8_t> bytes_at(std::shared_ptr<SharedBlock> block, std::int64_t offset) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(block->data()) + offset;
  return {std::move(block), data};
}

Images images_of(std::span<const ImageRecord> records, const PixelShape& shape) {
  Images images;
  images.count = std::ssize(records);
  images.height = shape.height;
  images.width = shape.width;
  images.channels = shape.channels;
  for (const auto& record : records) images.labels.push_back(record.label);
  return images;
}

Dataset dataset_of(std::span<const ImageRecord> train, std::span<const ImageRecord> test,
                   const PixelShape& shape, std::int64_t classes, const std::vector<std::string>& names,
                   const Config::Data& settings) {
  Dataset data;
  data.train = images_of(train, shape);
  data.test = images_of(test, shape);
  data.classes = classes;
  data.class_names = names;
  data.notes = notes_on_classes(train, test, classes, names, settings.train_samples, settings.test_samples);
  data.statistics = channel_statistics(train, shape);
  data.hash = hash_of_hashes(std::vector{content_hash(train, shape), content_hash(test, shape)});
  return data;
}

std::vector<Hash128> hashes_of(std::span<const ImageRecord> records) {
  std::vector<Hash128> hashes;
  for (const auto& record : records) hashes.push_back(record.hash);
  return hashes;
}

/// Collective: one rank of each host (or each rank, if they cannot share memory) inflates the files, then
/// each rank makes the records of its share of the images.
Dataset open_idx(Transport& host, HostMemory& memory, const IdxFiles& files, const Config::Data& settings) {
  const auto bytes = files.shape.bytes(), all = files.train.count + files.test.count;
  const auto block = shared_block(memory, all * (bytes + 1));
  auto* pixels = reinterpret_cast<std::uint8_t*>(block->data());
  auto* labels = pixels + all * bytes;
  on_all_ranks(host, [&] {
    if (memory.shared() && memory.local_rank() != 0) return;
    read_idx(files.train, files.shape, pixels, labels);
    read_idx(files.test, files.shape, pixels + files.train.count * bytes, labels + files.train.count);
  });
  memory.barrier();
  const auto table = shared_block(memory, all * static_cast<std::int64_t>(sizeof(ImageRecord)));
  auto* records = reinterpret_cast<ImageRecord*>(table->data());
  const auto own = share_of(memory, all);
  for (auto i = own.begin; i < own.end; ++i)
    records[i] = record_of(pixels + i * bytes, files.shape, labels[i]);
  memory.barrier();
  Dataset data;
  on_all_ranks(host, [&] {
    const std::span train(records, files.train.count), test(records + files.train.count, files.test.count);
    const auto classes = count_classes(train, files.folder);
    check_test_labels(test, classes, files.folder);
    data = dataset_of(train.first(kept(files.train.count, settings.train_samples)),
                      test.first(kept(files.test.count, settings.test_samples)), files.shape, classes, {},
                      settings);
  });
  data.train.pixels = bytes_at(block, 0);
  data.test.pixels = bytes_at(block, files.train.count * bytes);
  data.train.decoded = files.train.count;
  data.test.decoded = files.test.count;
  return data;
}

Dataset open_packed(const PackedFile& file, const Config::Data& settings) {
  const auto train = file.train().first(kept(std::ssize(file.train()), settings.train_samples));
  const auto test = file.test().first(kept(std::ssize(file.test()), settings.test_samples));
  auto data = dataset_of(train, test, file.shape(), file.classes(), file.class_names(), settings);
  data.train.pixels = file.pixels(0);
  data.test.pixels = file.pixels(std::ssize(file.train()));
  data.train.decoded = std::ssize(file.train());
  data.test.decoded = std::ssize(file.test());
  data.train.hashes = hashes_of(train);
  data.test.hashes = hashes_of(test);
  data.train.path = data.test.path = file.path();
  return data;
}

/// How many decoded images fit into data.cache_gib. If ranks cannot share memory, each gets an equal part of
/// it.
std::int64_t images_to_keep(const Config::Data& settings, const HostMemory& memory,
                            const EncodedImages& images) {
  const double bytes =
      settings.cache_gib * (std::int64_t{1} << 30) / (memory.shared() ? 1 : memory.local_size());
  const double room = bytes / static_cast<double>(std::max<std::int64_t>(images.shape.bytes(), 1));
  return static_cast<std::int64_t>(std::min(room, static_cast<double>(images.count())));
}

/// The images of one part of a data set, without the damaged ones.
Images sound_images(const std::shared_ptr<const EncodedImages>& encoded, const SoundImages& sound,
                    std::shared_ptr<SharedBlock> slots, std::int64_t decoded) {
  auto images = images_of(sound.records, encoded->shape);
  images.places = sound.places;
  images.pixels = bytes_at(std::move(slots), 0);
  images.decoded = decoded;
  images.encoded = encoded;
  if (decoded < encoded->count()) images.hashes = hashes_of(sound.records);
  return images;
}

constexpr double slice_seconds = 0.25;  // then ranks check whether any has been asked to end

/// Collective: calls loop(rest of `own`, pause), which returns the index it has reached, until all ranks have
/// finished theirs. Throws as on_all_ranks() and leave_if_asked().
template <class Loop>
void in_slices(Transport& host, Range own, const Loop& loop) {
  for (bool all_done = false; !all_done;) {
    const auto begin = Clock::now();
    const Pause pause = [&] { return asked_to_end() != 0 || seconds_since(begin) > slice_seconds; };
    on_all_ranks(host, [&] { own.begin = loop(own, pause); });
    leave_if_asked(host);
    const auto left = gather_numbers(host, std::array{static_cast<double>(own.size())});
    all_done = std::ranges::all_of(left, [](double images) { return images == 0; });
  }
}

/// Collective: decodes every image once, to make its record and to find out whether it is damaged, and keeps
/// as many in memory as fit. Each rank of the host handles a share.
Dataset open_encoded(Transport& host, HostMemory& memory, std::shared_ptr<EncodedImages> images,
                     const Config::Data& settings, std::int64_t threads) {
  const auto count = images->count();
  const auto block = shared_block(memory, count * static_cast<std::int64_t>(sizeof(Examined)));
  const std::span table(reinterpret_cast<Examined*>(block->data()), static_cast<std::size_t>(count));
  const auto own = share_of(memory, count);
  in_slices(host, own, [&](Range left, const Pause& pause) {
    return look_at_headers(*images, left, table, threads, pause);
  });
  memory.barrier();
  on_all_ranks(host, [&] { choose_shape(*images, table, settings); });
  const auto decoded = images_to_keep(settings, memory, *images);
  const auto slots = shared_block(memory, decoded * images->shape.bytes());
  in_slices(host, own, [&](Range left, const Pause& pause) {
    return examine(*images, left, {reinterpret_cast<std::uint8_t*>(slots->data()), decoded}, table, threads,
                   pause);
  });
  memory.barrier();
  Dataset data;
  on_all_ranks(host, [&] {
    refuse_damaged(*images, table, settings);
    const auto train = sound_among(table, {0, images->train_count});
    const auto test = sound_among(table, {images->train_count, count});
    data = dataset_of(train.records, test.records, images->shape, std::ssize(images->classes),
                      images->classes, settings);
    data.train = sound_images(images, train, slots, decoded);
    data.test = sound_images(images, test, slots, decoded);
    std::ranges::copy(notes_on(*images, table), std::back_inserter(data.notes));
  });
  return data;
}

}  // namespace

const std::uint8_t* Images::image(std::int64_t index, Decoder& decoder) const {
  const auto bytes = shape().bytes(), place = places.empty() ? index : places[index];
  const auto* found = pixels.get() + place * bytes;
  if (place >= decoded) {
    decoder.pixels.resize(static_cast<std::size_t>(bytes));
    found = decoder.pixels.data();
    try {
      encoded->decode(place, decoder, decoder.pixels.data());
    } catch (const DamagedImage& damage) {
      throw Error(ExitCode::io, "cannot use " + encoded->path_of(place), damage.what(),
                  "it was sound at the start of the run: restore it, then run the same command again");
    }
  }
  if (hashes.empty() || hash_bytes(found, static_cast<std::size_t>(bytes)) == hashes[index]) return found;
  throw Error(ExitCode::io,
              encoded ? encoded->path_of(place) + " has changed"
                      : "image " + std::to_string(index) + " of " + path + " is damaged",
              "its pixels have another hash", "restore the file, then run the same command again");
}

Dataset open_dataset(Transport& host, HostMemory& memory, const Config::Data& settings,
                     const std::string& remedy) {
  FoundData found;
  on_all_ranks(host, [&] { found = find_data(settings, remedy); });
  require_same(host, "the data", list_hash(found).hex(), "copy the same files to all hosts");
  if (const auto* files = std::get_if<IdxFiles>(&found)) return open_idx(host, memory, *files, settings);
  Dataset data;
  if (const auto* file = std::get_if<std::shared_ptr<const PackedFile>>(&found)) {
    on_all_ranks(host, [&] { data = open_packed(**file, settings); });
    return data;
  }
  const auto threads = std::max<std::int64_t>(1, settings.loader_threads.value_or(1));
  return open_encoded(host, memory,
                      std::make_shared<EncodedImages>(std::move(std::get<EncodedImages>(found))), settings,
                      threads);
}

std::int64_t loader_threads(const Config& config, int cores) {
  if (config.data.loader_threads) return *config.data.loader_threads;
  return std::clamp<std::int64_t>(cores - config.distributed.threads_per_rank, 0, 4);
}

}  // namespace lockstep
