#include "worker/data/pack.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "common/cpu_quota.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/progress.hpp"
#include "common/small_file.hpp"
#include "configs/load.hpp"
#include "worker/data/class_notes.hpp"
#include "worker/data/examination.hpp"
#include "worker/data/find_data.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t stretch = 2048;  // images between two updates of the progress bar

/// What has been written, in the order of the file.
struct Packed {
  std::vector<ImageRecord> records;
  std::int64_t train_count = 0, classes = 0;
  std::vector<std::string> class_names, notes;
};

void show(Progress& progress, std::int64_t done, std::int64_t count) {
  progress.emit("packing", {{"images", done}, {"of", count}});
  progress.draw("packing  " + std::to_string(done) + "/" + std::to_string(count) + " images", done == count);
}

/// Moves the images at `places` to the front, closing the gaps that damaged images have left.
void move_together(const std::vector<std::int64_t>& places, std::int64_t bytes, std::uint8_t* pixels) {
  for (std::int64_t i = 0; i < std::ssize(places); ++i)
    if (places[i] != i)
      std::memmove(pixels + i * bytes, pixels + places[i] * bytes, static_cast<std::size_t>(bytes));
}

Packed pack_encoded(EncodedImages& images, const Config::Data& settings, std::int64_t threads,
                    const std::string& target, std::unique_ptr<PackedFileWriter>& writer,
                    Progress& progress) {
  const auto count = images.count();
  std::vector<Examined> table(static_cast<std::size_t>(count));
  look_at_headers(images, {0, count}, table, threads);
  choose_shape(images, table, settings);
  writer = std::make_unique<PackedFileWriter>(target, images.shape, count, images.classes);
  for (std::int64_t done = 0; done < count;) {
    const Range range{done, std::min(count, done + stretch)};
    examine(images, range, {writer->pixels(), count}, table, threads);
    show(progress, done = range.end, count);
  }
  refuse_damaged(images, table, settings);
  const auto sound = sound_among(table, {0, count});
  move_together(sound.places, images.shape.bytes(), writer->pixels());
  const auto train = std::ranges::lower_bound(sound.places, images.train_count) - sound.places.begin();
  return {sound.records, train, std::ssize(images.classes), images.classes, notes_on(images, table)};
}

Packed pack_idx(const IdxFiles& files, const Config::Data& settings, const std::string& target,
                std::unique_ptr<PackedFileWriter>& writer, Progress& progress) {
  const auto bytes = files.shape.bytes(), all = files.train.count + files.test.count;
  writer = std::make_unique<PackedFileWriter>(target, files.shape, all, std::vector<std::string>{});
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(all));
  auto* pixels = writer->pixels();
  const auto train = kept(files.train.count, settings.train_samples);
  read_idx(files.train, files.shape, pixels, labels.data());
  std::vector<ImageRecord> records;
  for (std::int64_t i = 0; i < files.train.count; ++i)
    records.push_back(record_of(pixels + i * bytes, files.shape, labels[static_cast<std::size_t>(i)]));
  const auto classes = count_classes(records, files.folder);
  records.resize(static_cast<std::size_t>(train));
  read_idx(files.test, files.shape, pixels + train * bytes, labels.data());
  for (std::int64_t i = 0; i < files.test.count; ++i)
    records.push_back(
        record_of(pixels + (train + i) * bytes, files.shape, labels[static_cast<std::size_t>(i)]));
  check_test_labels(std::span(records).subspan(static_cast<std::size_t>(train)), classes, files.folder);
  records.resize(static_cast<std::size_t>(train + kept(files.test.count, settings.test_samples)));
  show(progress, std::ssize(records), std::ssize(records));
  return {records, train, classes, {}, {}};
}

Config::Data settings_for(const std::string& source, const std::vector<std::string>& settings) {
  std::vector<Override> overrides;
  for (const auto& setting : settings) {
    if (!setting.starts_with("data.")) {
      throw Error(ExitCode::config, "--set " + setting + " has no effect on packing",
                  "it is no key of [data]", "set keys such as data.image_size");
    }
    overrides.push_back(parse_override(setting));
  }
  auto data = load_defaults(overrides).config.data;
  data.path = source;
  return data;
}

void report(const std::string& target, const PixelShape& shape, const Packed& packed, Progress& progress) {
  const auto records = std::span(packed.records);
  const auto train = records.first(static_cast<std::size_t>(packed.train_count)),
             test = records.subspan(static_cast<std::size_t>(packed.train_count));
  const auto hash = hash_of_hashes(std::vector{content_hash(train, shape), content_hash(test, shape)});
  progress.emit("packed", {{"path", target},
                           {"train", std::ssize(train)},
                           {"test", std::ssize(test)},
                           {"classes", packed.classes},
                           {"height", shape.height},
                           {"width", shape.width},
                           {"channels", shape.channels},
                           {"bytes", std::filesystem::file_size(target)},
                           {"data_hash", hash.hex()}});
  progress.say(std::to_string(records.size()) + " images of " + std::to_string(shape.width) + " x " +
               std::to_string(shape.height) + " pixels and " + std::to_string(packed.classes) + " classes");
  progress.say("data hash  " + hash.hex());
  progress.say("file       " + target + ", " + std::to_string(std::filesystem::file_size(target) >> 20) +
               " MiB");
}

/// Throws Error (config) if `target` exists and is not a regular file, is the source itself, or lies in the
/// source.
void require_target(const std::string& source, const std::string& target) {
  std::error_code none;
  if (const auto kind = why_not_regular(target); !kind.empty())
    throw Error(ExitCode::config, "cannot pack into " + target, kind, "name a file");
  if (std::filesystem::equivalent(source, target, none))
    throw Error(ExitCode::config, "cannot pack " + source + " into itself", "it would be lost",
                "name another file");
  const auto data = std::filesystem::canonical(source, none);
  if (none) return;  // opening it will report that
  const auto place = std::filesystem::weakly_canonical(std::filesystem::absolute(target, none), none);
  if (const auto [end, at] = std::ranges::mismatch(data, place); end == data.end())
    throw Error(ExitCode::config, "cannot pack into " + target, "it lies in the data",
                "name a file outside of " + source);
}

}  // namespace

void pack(const std::string& source, const std::string& target, const std::vector<std::string>& settings) {
  const auto data = settings_for(source, settings);
  const auto threads = std::max<std::int64_t>(
      1, data.loader_threads.value_or(within_quota(static_cast<int>(std::thread::hardware_concurrency()))));
  require_target(source, target);
  auto found = find_data(data);
  Progress progress;
  std::unique_ptr<PackedFileWriter> writer;
  Packed packed;
  PixelShape shape;
  if (auto* images = std::get_if<EncodedImages>(&found)) {
    packed = pack_encoded(*images, data, threads, target, writer, progress);
    shape = images->shape;
  } else if (const auto* files = std::get_if<IdxFiles>(&found)) {
    packed = pack_idx(*files, data, target, writer, progress);
    shape = files->shape;
  } else {
    throw Error(ExitCode::config, source + " is packed already", "there is nothing to decode in it",
                "use it as data.path");
  }
  writer->finish(packed.records, packed.train_count, packed.classes);
  const auto train = static_cast<std::size_t>(packed.train_count);
  const auto notes =
      notes_on_classes(std::span(packed.records).first(train), std::span(packed.records).subspan(train),
                       packed.classes, packed.class_names, data.train_samples, data.test_samples);
  std::ranges::for_each(notes, log_warning);
  std::ranges::for_each(packed.notes, log_warning);
  report(target, shape, packed, progress);
}

}  // namespace lockstep
