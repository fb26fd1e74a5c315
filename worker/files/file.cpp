#include "worker/files/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.hpp"

namespace lockstep {

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
