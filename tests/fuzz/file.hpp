// Files with given bytes, for readers that take a path.
#pragma once

#include <string>

#include "target.hpp"

namespace lockstep::fuzz {

/// The path of a file in memory with these bytes, for as long as the object lives.
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

/// A folder of this process below $TMPDIR, removed when the process ends in order.
const std::string& scratch_folder();

/// Puts the bytes into the file `path`.
void write(const std::string& path, Bytes bytes);

}  // namespace lockstep::fuzz
