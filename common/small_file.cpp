#include "common/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace lockstep {
namespace {

/// Closes the file when destroyed.
class Descriptor {
 public:
  explicit Descriptor(int file) : file_(file) {}
  ~Descriptor() {
    if (file_ >= 0) close(file_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return file_; }
  int release() { return std::exchange(file_, -1); }

 private:
  int file_;
};

std::string kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISLNK(mode)) return "it is a link";
  if (S_ISFIFO(mode)) return "it is a FIFO";
  if (S_ISSOCK(mode)) return "it is a socket";
  if (S_ISDIR(mode)) return "it is a folder";
  return "it is a device";
}

[[noreturn]] void refuse(const std::string& path, const std::string& kind) {
  throw Error(ExitCode::io, "cannot read " + path, kind, "put a regular file in its place");
}

void require_at_most(const std::string& path, std::int64_t bytes, std::int64_t largest) {
  if (bytes > largest)
    throw Error(ExitCode::io, "cannot read " + path,
                "it has more than " + std::to_string(largest) + " bytes, and so is not what it should be",
                "restore it from a copy");
}

void write_once(const std::string& path, const std::string& text) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) throw FileError("cannot replace", path, errno);
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError("cannot open", path, errno);
  for (std::size_t done = 0; done < text.size();) {
    const auto written = write(file.get(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw FileError("cannot write", path, errno);
    done += static_cast<std::size_t>(written);
  }
  if (fsync(file.get()) != 0) throw FileError("cannot write", path, errno);
}

}  // namespace

bool may_pass(int error_number) {
  switch (error_number) {
    case EIO:
    case ESTALE:
    case EINTR:
    case EAGAIN:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

std::string why_not_regular(const std::string& path, bool follow) {
  struct stat about {};
  return fstatat(AT_FDCWD, path.c_str(), &about, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0
             ? kind_of(about.st_mode)
             : "";
}

/// Checked before opening, since opening a device may have effects, and afterwards, since it may have been
/// replaced.
int open_to_read(const std::string& path) {
  if (const auto kind = why_not_regular(path); !kind.empty()) refuse(path, kind);
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (file.get() < 0) throw FileError("cannot open", path, errno);
  if (fstat(file.get(), &about) != 0) throw FileError("cannot read", path, errno);
  if (const auto kind = kind_of(about.st_mode); !kind.empty()) refuse(path, kind);
  fcntl(file.get(), F_SETFL, 0);  // block while a file is being fetched from slower storage
  return file.release();
}

std::string read_file_once(const std::string& path, std::int64_t largest) {
  const Descriptor file(open_to_read(path));
  struct stat about {};
  if (fstat(file.get(), &about) == 0) require_at_most(path, about.st_size, largest);
  std::string text;
  for (std::size_t size = 0;;) {
    text.resize(size + 65536);
    const auto got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError("cannot read", path, errno);
    text.resize(size += static_cast<std::size_t>(got));
    require_at_most(path, static_cast<std::int64_t>(size), largest);
    if (got == 0) return text;
  }
}

std::string first_bytes(const std::string& path, std::size_t count) {
  const int file = open_to_read(path);
  std::string bytes(count, '\0');
  const auto got = pread(file, bytes.data(), count, 0);
  const int error_number = errno;
  close(file);
  if (got < 0) throw FileError("cannot read", path, error_number);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

std::string read_file(const std::string& path, std::int64_t largest) {
  return with_patience([&] { return read_file_once(path, largest); });
}

void write_file(const std::string& path, const std::string& text) {
  with_patience([&] { write_once(path, text); });
}

void replace_file(const std::string& path, const std::string& text) {
  write_file(path + ".writing", text);
  rename_file(path + ".writing", path);
}

void rename_file(const std::string& from, const std::string& to) {
  bool tried = false;
  with_patience([&] {
    if (std::rename(from.c_str(), to.c_str()) == 0) return;
    const int failure = errno;
    // The server may have renamed it although its reply was lost.
    const bool done = std::exchange(tried, true) && failure == ENOENT && access(to.c_str(), F_OK) == 0;
    if (!done) throw FileError("cannot rename to", to, failure);
  });
}

}  // namespace lockstep
