// Files that are read and written in parts, and names that are made durable.
#pragma once

#include <cstdint>
#include <string>

#include "common/small_file.hpp"

namespace lockstep {

/// A regular file opened for reading or writing parts of it; no link is followed to write. Throws Error (io)
/// on any failure, a full disk included. What is read is tried again (with_patience()); what is written the
/// caller must begin anew, as a sync that failed tells that earlier writes are lost.
class PartFile {
 public:
  enum class Mode { read, write };
  PartFile(const std::string& path, Mode mode);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  void write(const void* data, std::int64_t bytes, std::int64_t offset);
  /// Makes sure that there is room for the file to have this size, which it gets.
  void reserve(std::int64_t size);
  void read(void* data, std::int64_t bytes, std::int64_t offset);
  /// Returns when what was written is on disk.
  void sync();

 private:
  void read_once(void* data, std::int64_t bytes, std::int64_t offset);

  std::string path_;
  int file_;
};

/// Whether there is a file or folder of this name. Throws Error (io) where that cannot be told.
bool is_there(const std::string& path);
/// Makes what happened to the names in `folder` durable. Throws Error (io).
void sync_folder(const std::string& folder);

}  // namespace lockstep
