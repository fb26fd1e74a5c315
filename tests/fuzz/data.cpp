// Data sets that data.path may name.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "common/hash.hpp"
#include "file.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/idx.hpp"
#include "worker/data/packed_file.hpp"

namespace lockstep::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_pixels = std::int64_t{1} << 20;  // larger images take longer than they are worth

volatile unsigned seen = 0;
void look_at(Bytes bytes) {
  for (const auto byte : bytes) seen = seen + byte;
}
void look_at(std::span<const std::byte> bytes) {
  look_at({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

/// A folder in which several names are links to one file: the target writes the first name of each list.
std::string folder_with_links(const std::string& name, const std::vector<std::vector<std::string>>& same) {
  const auto folder = scratch_folder() + "/" + name;
  fs::create_directories(folder);
  for (const auto& names : same)
    for (std::size_t i = 1; i < names.size(); ++i) fs::create_symlink(names[0], folder + "/" + names[i]);
  return folder;
}

std::string idx_folder(const std::string& ending) {
  return folder_with_links("idx" + ending,
                           {{"train-images-idx3-ubyte" + ending, "t10k-images-idx3-ubyte" + ending},
                            {"train-labels-idx1-ubyte" + ending, "t10k-labels-idx1-ubyte" + ending}});
}

}  // namespace

/// Whether the files are compressed, where the second file begins, and the two files, which serve as both
/// parts.
void read_idx_folder(Bytes bytes) {
  if (bytes.size() < 3) return;
  static const std::string plain = idx_folder(""), compressed = idx_folder(".gz");
  const bool gz = bytes[0] & 1;
  const auto rest = bytes.subspan(3);
  const auto cut = std::min<std::size_t>(rest.size(), bytes[1] | bytes[2] << 8);
  const auto& folder = gz ? compressed : plain;
  write(folder + "/train-images-idx3-ubyte" + (gz ? ".gz" : ""), rest.first(cut));
  write(folder + "/train-labels-idx1-ubyte" + (gz ? ".gz" : ""), rest.subspan(cut));
  const auto files = find_idx(folder);
  const auto count = static_cast<std::size_t>(files.train.count);
  std::vector<std::uint8_t> pixels(count * static_cast<std::size_t>(files.shape.bytes())), labels(count);
  read_idx(files.train, files.shape, pixels.data(), labels.data());
  std::vector<ImageRecord> records;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 1000); ++i)
    records.push_back(record_of(pixels.data() + i * files.shape.bytes(), files.shape, labels[i]));
  check_test_labels(records, count_classes(records, folder), folder);
}

/// Which version of CIFAR, whether the length is corrected, and the bytes, which serve as each of its files.
void read_cifar_folder(Bytes bytes) {
  if (bytes.size() < 2) return;
  static const std::string ten = folder_with_links(
      "cifar10", {{"test_batch.bin", "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                   "data_batch_4.bin", "data_batch_5.bin", "batches.meta.txt"}});
  static const std::string hundred =
      folder_with_links("cifar100", {{"test.bin", "train.bin", "fine_label_names.txt"}});
  const bool is_ten = bytes[0] & 1;
  const std::size_t record = is_ten ? 3073 : 3074;
  std::vector<std::uint8_t> file(bytes.begin() + 1, bytes.end());
  if (bytes[0] & 2) file.resize((file.size() + record - 1) / record * record);
  write(is_ten ? ten + "/test_batch.bin" : hundred + "/test.bin", file);
  auto images = find_cifar(is_ten ? ten : hundred, bytes[0] & 4 ? 3 : 0, bytes[0] & 8 ? 1 : 0);
  images.shape = {32, 32, 3};
  Decoder decoder;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(images.shape.bytes()));
  for (std::int64_t i = 0; i < images.count(); ++i) images.decode(i, decoder, pixels.data());
  images.list_hash();
}

/// A packed file. Its hash and length are corrected, as an attacker could, so that the code behind those
/// checks is reached.
void read_packed(Bytes bytes) {
  constexpr std::size_t header = 104, at_pixels_offset = 80, at_hash = 88;
  std::vector<std::uint8_t> file(bytes.begin(), bytes.end());
  if (file.size() >= header) {
    std::uint64_t numbers[10];  // from the height on
    std::memcpy(numbers, file.data() + 16, sizeof(std::uint64_t) * 9);
    const auto pixels_offset = numbers[8];
    const auto size = pixels_offset + (numbers[3] + numbers[4]) * numbers[0] * numbers[1] * numbers[2];
    if (size <= most_pixels) file.resize(static_cast<std::size_t>(size));
    if (pixels_offset >= header && pixels_offset <= file.size()) {
      std::memset(file.data() + at_hash, 0, sizeof(Hash128));
      const std::vector<Hash128> hashes{hash_bytes(file.data(), header),
                                        hash_bytes(file.data() + header, pixels_offset - header)};
      const auto hash = hash_of_hashes(hashes);
      std::memcpy(file.data() + at_hash, hash.bytes.data(), hash.bytes.size());
    }
    static_assert(at_pixels_offset == 16 + 8 * sizeof(std::uint64_t));
  }
  const MemoryFile on_disk(file);
  if (!is_packed_file(on_disk.path())) return;
  const PackedFile packed(on_disk.path());
  const auto images = std::ssize(packed.train()) + std::ssize(packed.test());
  for (std::int64_t i = 0; i < images; ++i) {
    const auto pixels = packed.pixels(i);
    look_at(Bytes(pixels.get(), static_cast<std::size_t>(packed.shape().bytes())));
  }
  for (const auto part : {packed.train(), packed.test()}) {
    for (const auto& record : part)
      if (record.label < 0 || record.label >= packed.classes()) broken("a label that is no class");
    channel_statistics(part, packed.shape());
    content_hash(part, packed.shape());
  }
}

void read_tar(Bytes bytes) {
  const MemoryFile file(bytes);
  const auto images = find_in_tar(file.path(), 0, 0);
  for (const auto& sample : images.samples) {
    if (!sample.bytes.data()) broken("a member without a place in the file");
    look_at(sample.bytes);
  }
  images.list_hash();
}

/// A JPEG or PNG: decoded as it is, scaled down, with another number of channels, and with the wrong size
/// expected.
void read_image(Bytes bytes) {
  static Decoder decoder;
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  const auto decode = [&](const PixelShape& target, bool has_that_size) {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(target.bytes()));
    decoder.decode(file, target, has_that_size, pixels.data());
    look_at(pixels);
  };
  try {
    const auto shape = decoder.shape_of(file);
    if (shape.height < 1 || shape.width < 1) broken("an image without pixels");
    if (shape.height * shape.width > most_pixels) return;
    decode(shape, true);
    for (const std::int64_t channels : {1, 3}) decode({16, 24, channels}, false);
    decode({shape.height + 1, shape.width, 3}, true);
  } catch (const DamagedImage&) {
  }
}

/// One line for each file of a folder of images; a name that ends in '/' is a folder, "a -> b" a link.
void read_image_folder(Bytes bytes) {
  const auto folder = scratch_folder() + "/images";
  std::error_code none;
  fs::remove_all(folder, none);
  fs::create_directories(folder);
  std::istringstream lines(text_of(bytes));
  std::string line;
  for (int count = 0; count < 40 && std::getline(lines, line); ++count) {
    const auto arrow = line.find(" -> ");
    const auto name = line.substr(0, arrow), target = arrow == line.npos ? "" : line.substr(arrow + 4);
    const auto leaves = [](const std::string& path) {  // nothing may be written outside the scratch folder
      return path.starts_with('/') || path.find("..") != path.npos || path.find('\0') != path.npos;
    };
    if (name.empty() || leaves(name) || leaves(target)) continue;
    const auto path = fs::path(folder) / name;
    fs::create_directories(name.ends_with('/') ? path : path.parent_path(), none);
    if (!target.empty())
      fs::create_symlink(target, path, none);
    else if (!name.ends_with('/') && !fs::exists(path, none))
      std::ofstream(path) << line;  // may fail
  }
  find_in_folder(folder, 0, 0).list_hash();
}

}  // namespace lockstep::fuzz
