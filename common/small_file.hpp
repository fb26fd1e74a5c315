// Small files, read and written as a whole, and retries after transient failures.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "common/error.hpp"

namespace lockstep {

/// A file_error() with its error number.
class FileError : public Error {
 public:
  FileError(const std::string& problem, const std::string& path, int error_number)
      : Error(file_error(problem, path, error_number)), error_number_(error_number) {}

  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

/// Whether the failure may be transient, as on a network file system whose server is busy or restarting:
/// EIO, ESTALE, EINTR, EAGAIN, ETIMEDOUT.
bool may_pass(int error_number);

/// Calls `action`, and up to two more times, after a pause, if it throws a FileError that may be transient.
/// It must be safe to repeat from the beginning: after a failed fsync(), all data have to be written again.
template <class Action>
auto with_patience(const Action& action) {
  for (const int pause_ms : {50, 500}) {
    try {
      return action();
    } catch (const FileError& error) {
      if (!may_pass(error.error_number())) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  return action();
}

/// Why `path` is not a regular file ("it is a FIFO"); empty if it is one, or if that is unknown. With
/// `follow`, a link counts as what it points to.
std::string why_not_regular(const std::string& path, bool follow = true);

/// Opens the regular file `path` for reading; the caller closes it. Does not block on a FIFO. Throws Error
/// (io).
int open_to_read(const std::string& path);

/// The first `count` bytes of `path`, or all if there are fewer. Throws as open_to_read() does.
std::string first_bytes(const std::string& path, std::size_t count);

/// The content of the regular file `path`. Throws Error (io), also if it has more than `largest` bytes.
std::string read_file(const std::string& path, std::int64_t largest = std::int64_t{1} << 26);
/// The same without retries, for files that are read again soon anyway.
std::string read_file_once(const std::string& path, std::int64_t largest);

/// Writes and syncs a new file: whatever is at `path` is removed first, and links are not followed. Throws
/// Error (io).
void write_file(const std::string& path, const std::string& text);
/// The same, but atomically: written beside `path` and renamed, so that readers see the old text or the new
/// one.
void replace_file(const std::string& path, const std::string& text);
/// Renames, replacing what is there. Throws Error (io).
void rename_file(const std::string& from, const std::string& to);

}  // namespace lockstep
