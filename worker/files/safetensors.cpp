#include "worker/files/safetensors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/error.hpp"
#include "common/small_file.hpp"
#include "worker/files/file.hpp"
#include "worker/files/safetensors_header.hpp"

namespace lockstep {
namespace {

/// The header as stored: 8 bytes of length, then the JSON text, padded with blanks to a multiple of 64 bytes
/// in total so that the tensors are aligned.
std::string header_of(const std::vector<TensorSpec>& tensors) {
  nlohmann::ordered_json header;
  std::int64_t begin = 0;
  for (const auto& tensor : tensors) {
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, begin + tensor.bytes()}}};
    begin += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

}  // namespace

std::int64_t TensorSpec::bytes() const {
  std::int64_t count = dtype == "I64" ? 8 : 4;
  for (auto size : shape) count *= size;
  return count;
}

SafetensorsFile::SafetensorsFile(std::string path, std::vector<TensorSpec> tensors)
    : path_(std::move(path)), tensors_(std::move(tensors)), header_(header_of(tensors_)) {
  offsets_.push_back(static_cast<std::int64_t>(header_.size()));
  for (const auto& tensor : tensors_) offsets_.push_back(offsets_.back() + tensor.bytes());
}

void SafetensorsFile::create() const {
  with_patience([this] {
    PartFile file(path_, PartFile::Mode::write);
    file.write(header_.data(), static_cast<std::int64_t>(header_.size()), 0);
    file.reserve(size());
  });
}

void SafetensorsFile::check() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) throw FileError("cannot read", path_, errno);
  std::string found(header_.size(), '\0');
  if (status.st_size == size()) PartFile(path_, PartFile::Mode::read).read(found.data(), offsets_[0], 0);
  if (found != header_) {
    throw Error(ExitCode::io, path_ + " is damaged",
                status.st_size == size()
                    ? "its header is not the one that was written"
                    : std::to_string(status.st_size) + " bytes instead of " + std::to_string(size()));
  }
}

std::map<std::string, StoredTensor> tensors_in(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw file_error("cannot read", path, errno);
  if (const auto kind = why_not_regular(path); !kind.empty())
    throw Error(ExitCode::io, "cannot read " + path, kind, "name a safetensors file");
  const auto damaged = [&](const std::string& why) {
    return Error(ExitCode::io, path + " is damaged", why, "copy it again from where it came from");
  };
  PartFile file(path, PartFile::Mode::read);
  if (status.st_size < 8) throw damaged("it is too short for a safetensors file");
  std::array<std::uint8_t, 8> bytes{};
  file.read(bytes.data(), 8, 0);
  std::uint64_t length = 0;
  for (int i = 0; i < 8; ++i) length |= std::uint64_t{bytes[i]} << (8 * i);
  if (length > static_cast<std::uint64_t>(status.st_size) - 8)
    throw damaged("its header is longer than the file");
  if (length > static_cast<std::uint64_t>(longest_header))
    throw damaged("its header has " + std::to_string(length) + " bytes, and " +
                  std::to_string(longest_header) + " are the most that the format allows");
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::int64_t>(length), 8);
  const auto data_begin = static_cast<std::int64_t>(length) + 8;
  try {
    return tensors_in_header(text, data_begin, status.st_size - data_begin);
  } catch (const std::runtime_error& error) {
    throw damaged(error.what());
  }
}

}  // namespace lockstep
