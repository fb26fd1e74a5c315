// Wrappers of libc's file operations: each is a point if the file lies in the run folder.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/support/faults/points.hpp"

namespace {

using lockstep::faults::die;
using lockstep::faults::reach;

/// The path relative to the run folder; "" for any path outside it. Allocates nothing for those: an allocator
/// that is not ready yet may be opening them.
std::string place(const char* path) {
  static const char* const folder = std::getenv("FAULT_UNDER");
  const auto length = folder ? std::strlen(folder) : 0;
  if (length == 0 || !path || std::strncmp(path, folder, length) != 0) return {};
  if (path[length] == '\0') return ".";
  return path[length] == '/' ? path + length + 1 : std::string();
}

std::string place(int file) {
  char link[32], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const auto length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = '\0';
  return place(path);
}

std::string place(int folder, const char* path) {
  if (path[0] == '/' || folder == AT_FDCWD) return place(path);
  const auto in = place(folder);
  return in.empty() ? in : in + "/" + path;
}

const char* opening(int flags) {
  return (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 ? "open" : "open-to-read";
}

/// Returns the result of `call`, or `failed` with errno set if a test wants that.
template <class Result, class Call>
Result guarded(const char* operation, const std::string& what, Result failed, Call call) {
  if (what.empty()) return call();
  const int error = reach(operation, what).error;
  if (error == 0) return call();
  errno = error;
  return failed;
}

/// `call` writes the given number of the `size` bytes or elements.
template <class Size, class Call>
Size guarded_write(const char* operation, int file, std::size_t size, Size failed, Call call) {
  const auto what = place(file);
  if (what.empty()) return call(size);
  const auto order = reach(operation, what);
  if (order.torn) {
    call(size / 2);
    die();
  }
  if (order.error == 0) return call(size);
  errno = order.error;
  return failed;
}

}  // namespace

#define NEXT(name) static const auto next = reinterpret_cast<decltype(&::name)>(dlsym(RTLD_NEXT, #name))

#define READ_MODE                           \
  va_list more;                             \
  va_start(more, flags);                    \
  const auto mode = va_arg(more, unsigned); \
  va_end(more)

#define OPEN(name)                                                                            \
  int name(const char* path, int flags, ...) {                                                \
    NEXT(name);                                                                               \
    READ_MODE;                                                                                \
    return guarded(opening(flags), place(path), -1, [&] { return next(path, flags, mode); }); \
  }
#define OPENAT(name)                                                 \
  int name(int folder, const char* path, int flags, ...) {           \
    NEXT(name);                                                      \
    READ_MODE;                                                       \
    return guarded(opening(flags), place(folder, path), -1,          \
                   [&] { return next(folder, path, flags, mode); }); \
  }
#define FOPEN(name)                                                                                        \
  FILE* name(const char* path, const char* mode) {                                                         \
    NEXT(name);                                                                                            \
    const auto* operation = opening(mode[0] == 'r' && mode[1] != '+' ? O_RDONLY : O_RDWR);                 \
    return guarded(operation, place(path), static_cast<FILE*>(nullptr), [&] { return next(path, mode); }); \
  }
#define PWRITE(name, Offset)                                                             \
  ssize_t name(int file, const void* data, size_t size, Offset offset) {                 \
    NEXT(name);                                                                          \
    return guarded_write("write", file, size, ssize_t{-1},                               \
                         [&](size_t bytes) { return next(file, data, bytes, offset); }); \
  }
#define PREAD(name, Offset)                                                                           \
  ssize_t name(int file, void* data, size_t size, Offset offset) {                                    \
    NEXT(name);                                                                                       \
    return guarded("read", place(file), ssize_t{-1}, [&] { return next(file, data, size, offset); }); \
  }
#define SYNC(name)                                                       \
  int name(int file) {                                                   \
    NEXT(name);                                                          \
    return guarded("sync", place(file), -1, [&] { return next(file); }); \
  }
#define TRUNCATE(name, Offset)                                                   \
  int name(int file, Offset size) noexcept {                                     \
    NEXT(name);                                                                  \
    return guarded("resize", place(file), -1, [&] { return next(file, size); }); \
  }
#define RESERVE(name, Offset)                                          \
  int name(int file, Offset offset, Offset size) {                     \
    NEXT(name);                                                        \
    const auto what = place(file);                                     \
    const int error = what.empty() ? 0 : reach("reserve", what).error; \
    return error != 0 ? error : next(file, offset, size);              \
  }
#define LOOK(name)                                                              \
  int name(const char* path, struct stat* found) noexcept {                     \
    NEXT(name);                                                                 \
    return guarded("look", place(path), -1, [&] { return next(path, found); }); \
  }
#define ON_PATH(name, operation)                                            \
  int name(const char* path) noexcept {                                     \
    NEXT(name);                                                             \
    return guarded(operation, place(path), -1, [&] { return next(path); }); \
  }

extern "C" {

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
PREAD(pread, off_t)
PREAD(pread64, off64_t)
SYNC(fsync)
SYNC(fdatasync)
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
RESERVE(posix_fallocate, off_t)
RESERVE(posix_fallocate64, off64_t)
LOOK(stat)
LOOK(lstat)
ON_PATH(unlink, "remove")
ON_PATH(rmdir, "remove")
ON_PATH(remove, "remove")

ssize_t write(int file, const void* data, size_t size) {
  NEXT(write);
  return guarded_write("write", file, size, ssize_t{-1},
                       [&](size_t bytes) { return next(file, data, bytes); });
}

ssize_t writev(int file, const iovec* parts, int count) {
  NEXT(writev);
  return guarded_write("write", file, static_cast<size_t>(count), ssize_t{-1},
                       [&](size_t some) { return next(file, parts, static_cast<int>(some)); });
}

size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  NEXT(fwrite);
  return guarded_write("write", fileno(file), size * count, size_t{0}, [&](size_t bytes) {
    const auto written = bytes == size * count ? next(data, size, count, file) : next(data, 1, bytes, file);
    if (bytes != size * count) std::fflush(file);  // half of the data must be in the file
    return written;
  });
}

ssize_t read(int file, void* data, size_t size) {
  NEXT(read);
  return guarded("read", place(file), ssize_t{-1}, [&] { return next(file, data, size); });
}

dirent* readdir(DIR* folder) {
  NEXT(readdir);
  return guarded("read", place(dirfd(folder)), static_cast<dirent*>(nullptr), [&] { return next(folder); });
}

int rename(const char* from, const char* to) noexcept {
  NEXT(rename);
  return guarded("rename", place(to), -1, [&] { return next(from, to); });
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  NEXT(unlinkat);
  return guarded("remove", place(folder, path), -1, [&] { return next(folder, path, flags); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  NEXT(mkdir);
  return guarded("mkdir", place(path), -1, [&] { return next(path, mode); });
}

}  // extern "C"
