// CIFAR-10 and CIFAR-100 in their binary versions: records of one label byte (CIFAR-100: a coarse label, then
// the fine one, which is used) and 3 x 32 x 32 bytes, all red values before all green before all blue.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "common/error.hpp"
#include "common/small_file.hpp"
#include "worker/data/encoded_images.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t image_bytes = 3 * 32 * 32;

struct Version {
  std::vector<std::string> train, test;
  std::string names;
  std::size_t label_bytes, classes;
};

const Version cifar10{
    {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
    {"test_batch.bin"},
    "batches.meta.txt",
    1,
    10};
const Version cifar100{{"train.bin"}, {"test.bin"}, "fine_label_names.txt", 2, 100};

void add_file(EncodedImages& images, const std::string& name, const Version& version) {
  const auto& file =
      *images.files.emplace_back(std::make_unique<MappedFile>((fs::path(images.place) / name).string()));
  const auto record = version.label_bytes + image_bytes;
  if (file.bytes().empty() || file.bytes().size() % record != 0) {
    throw Error(ExitCode::io, "cannot use " + file.path(),
                "its size, " + std::to_string(file.bytes().size()) + ", is not a number of records of " +
                    std::to_string(record) + " bytes",
                "fetch the file again");
  }
  for (std::size_t at = 0; at < file.bytes().size(); at += record) {
    const auto label = static_cast<std::size_t>(file.bytes()[at + version.label_bytes - 1]);
    const auto number = std::to_string(at / record);
    if (label >= version.classes) {
      throw Error(ExitCode::config, "label " + std::to_string(label) + " is out of range in " + file.path(),
                  "record " + number + "; labels run from 0 to " + std::to_string(version.classes - 1),
                  "fetch the file again");
    }
    images.samples.push_back({name + " record " + number, static_cast<std::int64_t>(label),
                              file.bytes().subspan(at + version.label_bytes, image_bytes)});
  }
}

std::vector<std::string> class_names(const fs::path& path, std::size_t classes) {
  constexpr std::size_t most = 1 << 20;
  std::vector<std::string> names;
  std::istringstream file(fs::exists(path) ? first_bytes(path, most) : "");
  for (std::string name; names.size() < classes && file >> name;) names.push_back(name);
  while (names.size() < classes) names.push_back(std::to_string(names.size()));
  return names;
}

/// Notes files that are smaller than the largest one: all files of the training set have the same size,
/// unless one was cut short at the end of a record.
void note_smaller_files(EncodedImages& images) {
  const auto bytes = [](const auto& file) { return file->bytes().size(); };
  const auto largest = bytes(*std::ranges::max_element(images.files, {}, bytes));
  for (const auto& file : images.files) {
    if (bytes(file) == largest) continue;
    images.notes.push_back(file->path() + " has fewer images than the other files of the training set (" +
                           std::to_string(bytes(file)) + " bytes of " + std::to_string(largest) +
                           ") if it was cut short, fetch it again");
  }
}

void keep_first(EncodedImages& images, std::int64_t begin, std::int64_t most) {
  if (most > 0 && images.count() > begin + most)
    images.samples.erase(images.samples.begin() + begin + most, images.samples.end());
}

}  // namespace

EncodedImages find_cifar(const std::string& folder, std::int64_t train_samples, std::int64_t test_samples) {
  const bool ten =
      fs::exists(fs::path(folder) / cifar10.train[0]) || fs::exists(fs::path(folder) / cifar10.test[0]);
  const auto& version = ten ? cifar10 : cifar100;
  EncodedImages images;
  images.place = folder;
  images.planar = true;
  images.classes = class_names(fs::path(folder) / version.names, version.classes);
  for (const auto& name : version.train) add_file(images, name, version);
  note_smaller_files(images);
  keep_first(images, 0, train_samples);
  images.train_count = images.count();
  for (const auto& name : version.test) add_file(images, name, version);
  keep_first(images, images.train_count, test_samples);
  return images;
}

}  // namespace lockstep
