// Files that are read and written whole, and failures of files that may pass.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "common/error.hpp"

namespace lockstep {

/// A file_error() that tells its number.
class FileError : public Error {
 public:
  FileError(const std::string& problem, const std::string& path, int error_number)
      : Error(file_error(problem, path, error_number)), error_number_(error_number) {}

  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

/// Whether the same operation may succeed a moment later, as on a network file system whose server was busy
/// or begins anew: EIO, ESTALE, EINTR, EAGAIN, ETIMEDOUT.
bool may_pass(int error_number);

/// Does `action`, and where it throws a FileError that may pass, once and twice more after a pause. It must
/// be one that can be repeated from its begin: after an fsync() that failed, what was written has to be
/// written again.
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

/// Why `path` is no regular file ("it is a FIFO"); empty for one, and where nothing is known of it. `follow`:
/// a link stands for what it leads to.
std::string why_not_regular(const std::string& path, bool follow = true);

/// Opens the regular file `path` for reading; the caller closes it. Nothing waits for the writer of a FIFO.
/// Throws Error (io).
int open_to_read(const std::string& path);

/// At most `count` bytes from the beginning of `path`. Throws as open_to_read().
std::string first_bytes(const std::string& path, std::size_t count);

/// The content of the regular file `path`. Throws Error (io), also where it has more than `largest` bytes.
std::string read_file(const std::string& path, std::int64_t largest = std::int64_t{1} << 26);
/// The same without patience, for what is read again soon.
std::string read_file_once(const std::string& path, std::int64_t largest);

/// Writes the whole file, synced, as a new one: whatever lies at `path` is removed first, and no link is
/// followed. Throws Error (io).
void write_file(const std::string& path, const std::string& text);
/// The same beside `path`, renamed to it in the end: a reader sees the old text or the new one.
void replace_file(const std::string& path, const std::string& text);
/// Renames, also onto a file that is there. Throws Error (io).
void rename_file(const std::string& from, const std::string& to);

}  // namespace lockstep
