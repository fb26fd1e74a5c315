// Reading and writing parts of files, and making names in a folder durable.
#pragma once

#include <cstdint>
#include <string>

#include "common/small_file.hpp"

namespace lockstep {

/// A regular file, opened to read or to write parts of it. Writing does not follow a symbolic link. Throws
/// Error (io) on any failure, a full disk included. Reads are retried (with_patience()). Writes are not: a
/// failed sync means that earlier writes may be lost, so the caller must start over.
class PartFile {
 public:
  enum class Mode { read, write };
  PartFile(const std::string& path, Mode mode);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  void write(const void* data, std::int64_t bytes, std::int64_t offset);
  /// Allocates disk space for a file of `size` bytes and makes it at least that long.
  void reserve(std::int64_t size);
  void read(void* data, std::int64_t bytes, std::int64_t offset);
  /// Returns once everything written is on disk (fsync).
  void sync();

 private:
  void read_once(void* data, std::int64_t bytes, std::int64_t offset);

  std::string path_;
  int file_;
};

/// Whether a file or folder `path` exists. Throws Error (io) if the file system does not tell.
bool is_there(const std::string& path);
/// Makes names that were created, renamed or removed in `folder` durable (fsync of the folder). Throws Error
/// (io).
void sync_folder(const std::string& folder);

}  // namespace lockstep
