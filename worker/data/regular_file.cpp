#include "worker/data/regular_file.hpp"

#include <unistd.h>

#include <cerrno>

#include "common/error.hpp"
#include "common/small_file.hpp"

namespace lockstep {

std::string not_regular(const std::string& path) { return why_not_regular(path); }

int open_regular(const std::string& path) { return open_to_read(path); }

std::string first_bytes(const std::string& path, std::size_t count) {
  const int file = open_regular(path);
  std::string bytes(count, '\0');
  const auto got = pread(file, bytes.data(), count, 0);
  const int error_number = errno;
  close(file);
  if (got < 0) throw FileError("cannot read", path, error_number);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

}  // namespace lockstep
