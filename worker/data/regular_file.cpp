#include "worker/data/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.hpp"

namespace lockstep {
namespace {

std::string kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISFIFO(mode)) return "it is a FIFO";
  if (S_ISSOCK(mode)) return "it is a socket";
  if (S_ISDIR(mode)) return "it is a folder";
  return "it is a device";
}

[[noreturn]] void refuse(const std::string& path, const std::string& kind) {
  throw Error(ExitCode::io, "cannot read " + path, kind, "put a regular file in its place");
}

}  // namespace

std::string not_regular(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 ? kind_of(about.st_mode) : "";
}

/// Looked at before it is opened, as opening a device may do things; and afterwards, as it may be another.
int open_regular(const std::string& path) {
  if (const auto kind = not_regular(path); !kind.empty()) refuse(path, kind);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw file_error("cannot open", path, errno);
  struct stat about {};
  const int error_number = fstat(file, &about) == 0 ? 0 : errno;
  const auto kind = kind_of(about.st_mode);
  if (error_number == 0 && kind.empty()) return file;
  close(file);
  if (error_number != 0) throw file_error("cannot read", path, error_number);
  refuse(path, kind);
}

std::string first_bytes(const std::string& path, std::size_t count) {
  const int file = open_regular(path);
  std::string bytes(count, '\0');
  const auto got = pread(file, bytes.data(), count, 0);
  const int error_number = errno;
  close(file);
  if (got < 0) throw file_error("cannot read", path, error_number);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace lockstep
