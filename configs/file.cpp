#include "configs/file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lockstep {
namespace {

constexpr std::size_t largest = 256 * 1024;
constexpr int most_milliseconds = 5000;
constexpr int nothing_came = -1;  // instead of an error number

/// A named FIFO may never get a writer; a pipe from a shell has one, however slow.
bool may_have_no_writer(int file) {
  struct stat about {};
  struct statfs system {};
  return fstat(file, &about) == 0 && S_ISFIFO(about.st_mode) &&
         !(fstatfs(file, &system) == 0 && system.f_type == PIPEFS_MAGIC);
}

/// Reads at most one byte more than is allowed. Returns 0, an error number, or `nothing_came` from a FIFO.
int read_all(int file, std::string& content) {
  const int patience = may_have_no_writer(file) ? most_milliseconds : -1;
  content.resize(largest + 1);
  std::size_t done = 0;
  while (done < content.size()) {
    pollfd ready{file, POLLIN, 0};
    const int count = poll(&ready, 1, patience);
    if (count == 0) return nothing_came;
    const auto got = count < 0 ? -1 : read(file, content.data() + done, content.size() - done);
    if (got == 0) break;
    if (got > 0) done += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR && errno != EAGAIN) return errno;
  }
  content.resize(done);
  return 0;
}

}  // namespace

FileContent read_small_file(const std::string& path) {
  // Without O_NONBLOCK, open() would wait for a writer of a FIFO.
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  std::string content;
  const int failure = file < 0 ? errno : read_all(file, content);
  if (file >= 0) close(file);
  if (failure == nothing_came) {
    return Problem{"cannot read the configuration", "it is a FIFO, and nothing came out of it for 5 seconds",
                   "give a regular file, or write into the FIFO at the same time"};
  }
  if (failure != 0)
    return Problem{"cannot read the configuration", std::strerror(failure),
                   "check the path and its permissions"};
  if (content.size() > largest)
    return Problem{"too large for a configuration", "more than 256 KiB", "check the path"};
  return content;
}

}  // namespace lockstep
