// Files with given bytes, for readers that take a path.
#pragma once

#include <string>

#include "target.hpp"

namespace lockstep::fuzz {

/// The path of an in-memory file with these bytes, for as long as the object lives.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int file_;
  std::string path_;
};

/// This process's folder below $TMPDIR, removed when the process exits normally.
const std::string& scratch_folder();

/// Writes the bytes to the file `path`.
void write(const std::string& path, Bytes bytes);

}  // namespace lockstep::fuzz
