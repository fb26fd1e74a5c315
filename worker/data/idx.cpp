// The IDX format (LeCun, Cortes, Burges: the MNIST database): two zero bytes, a type (8: unsigned byte), the
// number of dimensions, each dimension as a big-endian 32-bit number, then the data.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <memory>

#include "common/error.hpp"
#include "worker/data/dataset.hpp"

namespace lockstep {
namespace {

struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> data;
};

class GzipFile {
 public:
  explicit GzipFile(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw file_error("cannot open", path, errno);
    gzbuffer(file_, 1 << 18);
  }
  ~GzipFile() { gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  void read(void* data, std::size_t size) {
    auto* to = static_cast<std::uint8_t*>(data);
    while (size > 0) {
      const int got = gzread(file_, to, static_cast<unsigned>(std::min<std::size_t>(size, 1 << 30)));
      if (got <= 0) cut_short();
      to += got;
      size -= static_cast<std::size_t>(got);
    }
  }

  /// Reads on to the end, so that the checksum in a gzip trailer is looked at.
  void finish() {
    std::uint8_t byte;
    const int got = gzread(file_, &byte, 1);
    if (got < 0) cut_short();
    if (got > 0) {
      throw Error(ExitCode::config, "cannot use " + path_, "it is longer than its header says",
                  "fetch the file again");
    }
  }

 private:
  [[noreturn]] void cut_short() {
    int code = 0;
    const std::string reason = gzerror(file_, &code);
    throw Error(
        ExitCode::io, "cannot read " + path_,
        code == Z_OK || reason.empty() ? "it ends before its header says" : "damaged or cut short: " + reason,
        "fetch the file again");
  }

  std::string path_;
  gzFile file_;
};

std::string existing(const std::string& folder, const std::string& name) {
  for (const auto* ending : {"", ".gz"}) {
    const auto path = std::filesystem::path(folder) / (name + ending);
    if (std::filesystem::exists(path)) return path;
  }
  throw Error(ExitCode::io, "cannot find " + (std::filesystem::path(folder) / name).string() + "[.gz]",
              "no such file", "set data.path to the folder that holds it, or install dataset-fashion-mnist");
}

IdxArray read_idx(const std::string& path, std::size_t dimensions) {
  GzipFile file(path);
  std::uint8_t magic[4];
  file.read(magic, sizeof magic);
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] != dimensions) {
    throw Error(ExitCode::config, "cannot use " + path,
                "it is not an IDX file of unsigned bytes with " + std::to_string(dimensions) + " dimensions",
                "check data.path");
  }
  IdxArray array;
  std::int64_t size = 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    std::uint8_t b[4];
    file.read(b, sizeof b);
    array.shape.push_back((std::int64_t{b[0]} << 24) | (b[1] << 16) | (b[2] << 8) | b[3]);
    size *= array.shape.back();
    if (size <= 0 || size > (std::int64_t{1} << 40)) {
      throw Error(ExitCode::config, "cannot use " + path, "its header gives an impossible size",
                  "fetch the file again");
    }
  }
  array.data.resize(static_cast<std::size_t>(size));
  file.read(array.data.data(), array.data.size());
  file.finish();
  return array;
}

Images read_part(const std::string& folder, const std::string& prefix) {
  const auto image_path = existing(folder, prefix + "-images-idx3-ubyte");
  const auto label_path = existing(folder, prefix + "-labels-idx1-ubyte");
  auto pixels = read_idx(image_path, 3);
  auto labels = read_idx(label_path, 1);
  if (pixels.shape[0] != labels.shape[0]) {
    throw Error(
        ExitCode::config, "cannot use " + image_path + " with " + label_path,
        std::to_string(pixels.shape[0]) + " images but " + std::to_string(labels.shape[0]) + " labels",
        "fetch both again");
  }
  Images part;
  part.count = pixels.shape[0];
  part.height = pixels.shape[1];
  part.width = pixels.shape[2];
  part.channels = 1;
  part.pixels = std::move(pixels.data);
  part.labels.assign(labels.data.begin(), labels.data.end());
  return part;
}

/// Labels must run from 0 without a gap over the whole training set, so that one damaged byte cannot add
/// classes.
std::int64_t count_classes(const std::vector<std::int64_t>& labels, const std::string& folder) {
  std::vector<std::int64_t> first(256, -1);
  for (std::size_t i = labels.size(); i-- > 0;) first[labels[i]] = static_cast<std::int64_t>(i);
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

void check_test_labels(const std::vector<std::int64_t>& labels, std::int64_t classes,
                       const std::string& folder) {
  const auto wrong = std::find_if(labels.begin(), labels.end(), [&](auto label) { return label >= classes; });
  if (wrong == labels.end()) return;
  throw Error(ExitCode::config,
              "label " + std::to_string(*wrong) + " is out of range in the test set of " + folder,
              "sample " + std::to_string(wrong - labels.begin()) + "; the training set has classes 0 to " +
                  std::to_string(classes - 1),
              "check the label files");
}

void keep_first(Images& images, std::int64_t samples) {
  if (samples == 0 || samples >= images.count) return;
  images.count = samples;
  images.pixels.resize(static_cast<std::size_t>(samples * images.height * images.width * images.channels));
  images.labels.resize(static_cast<std::size_t>(samples));
}

Hash128 content_hash(const Dataset& data) {
  std::vector<Hash128> parts;
  for (const auto* images : {&data.train, &data.test}) {
    const std::int64_t shape[] = {images->count, images->height, images->width, images->channels};
    parts.push_back(hash_bytes(shape, sizeof shape));
    parts.push_back(hash_bytes(images->pixels.data(), images->pixels.size()));
    parts.push_back(hash_bytes(images->labels.data(), images->labels.size() * sizeof(std::int64_t)));
  }
  return hash_of_hashes(parts);
}

}  // namespace

Dataset read_idx_dataset(const std::string& folder, std::int64_t train_samples, std::int64_t test_samples) {
  Dataset data;
  data.train = read_part(folder, "train");
  data.test = read_part(folder, "t10k");
  if (data.train.height != data.test.height || data.train.width != data.test.width) {
    throw Error(ExitCode::config, "cannot use " + folder, "training and test images differ in size",
                "fetch it again");
  }
  data.classes = count_classes(data.train.labels, folder);
  check_test_labels(data.test.labels, data.classes, folder);
  keep_first(data.train, train_samples);
  keep_first(data.test, test_samples);
  data.hash = content_hash(data);
  return data;
}

ChannelStatistics channel_statistics(const Images& images) {
  std::vector<std::uint64_t> sum(images.channels), squares(images.channels);
  for (std::size_t i = 0; i < images.pixels.size(); ++i) {
    const std::uint64_t value = images.pixels[i];
    sum[i % images.channels] += value;
    squares[i % images.channels] += value * value;
  }
  ChannelStatistics result;
  const double pixels = static_cast<double>(images.count * images.height * images.width);
  for (std::int64_t c = 0; c < images.channels; ++c) {
    const double mean = static_cast<double>(sum[c]) / pixels;
    const double variance = static_cast<double>(squares[c]) / pixels - mean * mean;
    result.mean.push_back(mean / 255.0);
    result.std.push_back(std::sqrt(std::max(variance, 1e-12)) / 255.0);
  }
  return result;
}

}  // namespace lockstep
