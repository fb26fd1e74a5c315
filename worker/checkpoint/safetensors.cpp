#include "worker/checkpoint/safetensors.hpp"

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
#include "worker/checkpoint/safetensors_header.hpp"
#include "worker/data/regular_file.hpp"

namespace lockstep {
namespace {

/// The header as it lies in the file, its length first, padded with blanks to a multiple of 64 so that
/// tensors are aligned.
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
  if (const auto kind = not_regular(path); !kind.empty())
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

PartFile::PartFile(const std::string& path, Mode mode) : path_(path) {
  constexpr int to_write = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  file_ = mode == Mode::read ? with_patience([&] { return open_to_read(path); })
                             : open(path.c_str(), to_write, 0666);
  if (file_ < 0) throw FileError("cannot open", path, errno);
}

PartFile::~PartFile() { close(file_); }

void PartFile::write(const void* data, std::int64_t bytes, std::int64_t offset) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const auto written = pwrite(file_, from, static_cast<std::size_t>(bytes), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw FileError("cannot write", path_, errno);
    from += written;
    offset += written;
    bytes -= written;
  }
}

void PartFile::reserve(std::int64_t size) {
  if (const int failure = posix_fallocate(file_, 0, size); failure != 0)
    throw FileError("cannot reserve " + std::to_string(size) + " bytes for", path_, failure);
}

void PartFile::read(void* data, std::int64_t bytes, std::int64_t offset) {
  with_patience([&] { read_once(data, bytes, offset); });
}

void PartFile::read_once(void* data, std::int64_t bytes, std::int64_t offset) {
  auto* to = static_cast<char*>(data);
  while (bytes > 0) {
    const auto got = pread(file_, to, static_cast<std::size_t>(bytes), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError("cannot read", path_, errno);
    if (got == 0) throw Error(ExitCode::io, path_ + " is damaged", "it ends before its header says");
    to += got;
    offset += got;
    bytes -= got;
  }
}

void PartFile::sync() {
  if (fsync(file_) != 0) throw FileError("cannot write", path_, errno);
}

bool is_there(const std::string& path) {
  return with_patience([&] {
    struct stat status {};
    if (stat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT && errno != ENOTDIR) throw FileError("cannot look at", path, errno);
    return false;
  });
}

void sync_folder(const std::string& folder) {
  with_patience([&] {
    const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int failure = file < 0 || fsync(file) != 0 ? errno : 0;
    if (file >= 0) close(file);
    if (failure != 0) throw FileError("cannot sync the folder", folder, failure);
  });
}

}  // namespace lockstep
