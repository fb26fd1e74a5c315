#include "worker/data/find_data.hpp"

#include <filesystem>

#include "common/filesystem_error.hpp"
#include "common/small_file.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* looked_for =
    "looked for train-images-idx3-ubyte[.gz], train/CLASS/*.jpg or .png, data_batch_1.bin, train.bin, and "
    "for a "
    "tar file or one that `lockstep pack` has written";

bool has_any(const fs::path& folder, std::initializer_list<const char*> names) {
  for (const auto* name : names)
    if (fs::exists(folder / name)) return true;
  return false;
}

bool has_idx(const fs::path& folder) {
  return has_any(folder,
                 {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                  "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                  "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"});
}

bool is_tar(const std::string& path) {
  const auto block = first_bytes(path, 512);
  return block.size() == 512 && block.compare(257, 5, "ustar") == 0;
}

FoundData find_in_file(const Config::Data& settings, const std::string& remedy) {
  const auto& path = settings.path;
  if (const auto kind = why_not_regular(path); !kind.empty())
    throw Error(ExitCode::config, "cannot use data.path = " + path, kind, remedy);
  if (is_packed_file(path)) {
    auto file = std::make_shared<const PackedFile>(path);
    const auto side = settings.image_size;
    if (side && (file->shape().height != *side || file->shape().width != *side)) {
      throw Error(ExitCode::config, "data.image_size = " + std::to_string(*side) + " is not that of " + path,
                  "its images have " + std::to_string(file->shape().width) + " x " +
                      std::to_string(file->shape().height) + " pixels",
                  "pack the source again with this size, or leave image_size out");
    }
    return file;
  }
  if (is_tar(path)) return find_in_tar(path, settings.train_samples, settings.test_samples);
  throw Error(
      ExitCode::config, "cannot use data.path = " + path,
      "it is neither a tar file (which must not be compressed) nor one that `lockstep pack` has written",
      remedy);
}

void refuse_other_size(const Config::Data& settings, const PixelShape& shape) {
  const auto side = settings.image_size;
  if (!side || (shape.height == *side && shape.width == *side)) return;
  throw Error(ExitCode::config,
              "data.image_size = " + std::to_string(*side) + " is not that of " + settings.path,
              "its images have " + std::to_string(shape.width) + " x " + std::to_string(shape.height) +
                  " pixels, and only JPEG and PNG images are given another size",
              "leave image_size out");
}

FoundData find(const Config::Data& settings, const std::string& remedy) {
  const auto& path = settings.path;
  std::error_code failure;
  const auto status = fs::status(path, failure);
  if (!fs::exists(status))
    throw Error(ExitCode::io, "cannot find data.path = " + path,
                "there is nothing at " + fs::absolute(path).string() + "; " + looked_for, remedy);
  if (!fs::is_directory(status)) return find_in_file(settings, remedy);
  if (has_idx(path)) {
    auto files = find_idx(path, remedy);
    refuse_other_size(settings, files.shape);
    return files;
  }
  if (has_any(path, {"data_batch_1.bin", "test_batch.bin", "train.bin"})) {
    refuse_other_size(settings, {32, 32, 3});
    return find_cifar(path, settings.train_samples, settings.test_samples);
  }
  if (has_any(path, {"train"})) return find_in_folder(path, settings.train_samples, settings.test_samples);
  throw Error(ExitCode::config, "found no images in data.path = " + path, looked_for, remedy);
}

}  // namespace

FoundData find_data(const Config::Data& settings, const std::string& remedy) {
  const BusyWith data(settings.path.c_str());
  try {
    return find(settings, remedy);
  } catch (const fs::filesystem_error& failure) {
    throw file_error(failure);
  }
}

Hash128 list_hash(const FoundData& found) {
  if (const auto* images = std::get_if<EncodedImages>(&found)) return images->list_hash();
  if (const auto* packed = std::get_if<std::shared_ptr<const PackedFile>>(&found))
    return (*packed)->table_hash();
  const auto& files = std::get<IdxFiles>(found);
  const std::int64_t numbers[] = {files.train.count, files.test.count, files.shape.height, files.shape.width};
  return hash_bytes(numbers, sizeof numbers);
}

std::int64_t kept(std::int64_t count, std::int64_t most) { return most > 0 && most < count ? most : count; }

}  // namespace lockstep
