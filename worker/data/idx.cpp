// The IDX format (LeCun, Cortes, Burges: the MNIST database): two zero bytes, a type (8: unsigned byte), the
// number of dimensions, each dimension as a big-endian 32-bit number, then the data.
#include "worker/data/idx.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "common/error.hpp"
#include "worker/data/gzip_file.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t most_bytes = std::int64_t{1} << 40;
constexpr std::int64_t most_pixels_of_file = std::int64_t{1} << 28;  // of an image, as in a packed file

std::string existing(const std::string& folder, const std::string& name, const std::string& remedy) {
  for (const auto* ending : {"", ".gz"}) {
    const auto path = std::filesystem::path(folder) / (name + ending);
    if (std::filesystem::exists(path)) return path;
  }
  throw Error(ExitCode::io, "cannot find " + (std::filesystem::path(folder) / name).string() + "[.gz]",
              "no such file", remedy);
}

[[noreturn]] void impossible(const std::string& path) {
  throw Error(ExitCode::config, "cannot use " + path, "its header gives an impossible size",
              "fetch the file again");
}

/// Reads the header of a file of unsigned bytes with so many dimensions, and returns them.
std::vector<std::int64_t> read_header(GzipFile& file, const std::string& path, std::size_t dimensions) {
  std::uint8_t magic[4];
  file.read(magic, sizeof magic);
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] != dimensions) {
    throw Error(ExitCode::config, "cannot use " + path,
                "it is not an IDX file of unsigned bytes with " + std::to_string(dimensions) + " dimensions",
                "check data.path");
  }
  std::vector<std::int64_t> shape;
  std::int64_t size = 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    std::uint8_t b[4];
    file.read(b, sizeof b);
    shape.push_back((std::int64_t{b[0]} << 24) | (b[1] << 16) | (b[2] << 8) | b[3]);
    if (shape.back() == 0 || shape.back() > most_bytes / size) impossible(path);
    size *= shape.back();
    if (i > 0 && size / shape.front() > most_pixels_of_file) impossible(path);
  }
  file.require_size(size + 4 + 4 * static_cast<std::int64_t>(dimensions));
  return shape;
}

std::vector<std::int64_t> shape_in(const std::string& path, std::size_t dimensions) {
  GzipFile file(path);
  return read_header(file, path, dimensions);
}

/// Reads what follows the header, which must still say the same as it did.
void read_content(const std::string& path, std::vector<std::int64_t> shape, std::uint8_t* to) {
  GzipFile file(path);
  if (read_header(file, path, shape.size()) != shape) {
    throw Error(ExitCode::io, "cannot use " + path, "it has changed while it was read", "start again");
  }
  std::size_t size = 1;
  for (const auto length : shape) size *= static_cast<std::size_t>(length);
  file.read(to, size);
  file.finish();
}

/// Finds one part, whose images have the shape `shape`, or gives it its first value.
IdxPart find_part(const std::string& folder, const std::string& prefix, const std::string& remedy,
                  PixelShape& shape) {
  IdxPart part{existing(folder, prefix + "-images-idx3-ubyte", remedy),
               existing(folder, prefix + "-labels-idx1-ubyte", remedy), 0};
  const auto images = shape_in(part.image_path, 3), labels = shape_in(part.label_path, 1);
  if (images[0] != labels[0]) {
    throw Error(ExitCode::config, "cannot use " + part.image_path + " with " + part.label_path,
                std::to_string(images[0]) + " images but " + std::to_string(labels[0]) + " labels",
                "fetch both again");
  }
  part.count = images[0];
  const PixelShape found{images[1], images[2], 1};
  if (shape.height != 0 && shape != found) {
    throw Error(ExitCode::config, "cannot use " + folder, "training and test images differ in size",
                "fetch it again");
  }
  shape = found;
  return part;
}

}  // namespace

IdxFiles find_idx(const std::string& folder, const std::string& remedy) {
  IdxFiles files;
  files.folder = folder;
  files.train = find_part(folder, "train", remedy, files.shape);
  files.test = find_part(folder, "t10k", remedy, files.shape);
  return files;
}

void read_idx(const IdxPart& part, const PixelShape& shape, std::uint8_t* pixels, std::uint8_t* labels) {
  read_content(part.image_path, {part.count, shape.height, shape.width}, pixels);
  read_content(part.label_path, {part.count}, labels);
}

std::int64_t count_classes(std::span<const ImageRecord> train, const std::string& folder) {
  std::array<std::int64_t, 256> first;
  first.fill(-1);
  for (auto i = std::ssize(train); i-- > 0;) first[static_cast<std::size_t>(train[i].label)] = i;
  const auto classes = std::find(first.begin(), first.end(), -1) - first.begin();
  const auto beyond =
      std::find_if(first.begin() + classes, first.end(), [](auto sample) { return sample >= 0; });
  if (beyond != first.end()) {
    throw Error(ExitCode::config,
                "label " + std::to_string(beyond - first.begin()) +
                    " is out of range in the training set of " + folder,
                "sample " + std::to_string(*beyond) + "; no sample has label " + std::to_string(classes),
                "check the label file: labels run from 0 to classes - 1");
  }
  return classes;
}

void check_test_labels(std::span<const ImageRecord> test, std::int64_t classes, const std::string& folder) {
  const auto wrong = std::ranges::find_if(test, [&](const auto& record) { return record.label >= classes; });
  if (wrong == test.end()) return;
  throw Error(ExitCode::config,
              "label " + std::to_string(wrong->label) + " is out of range in the test set of " + folder,
              "sample " + std::to_string(wrong - test.begin()) + "; the training set has classes 0 to " +
                  std::to_string(classes - 1),
              "check the label files");
}

}  // namespace lockstep
