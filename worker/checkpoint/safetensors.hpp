// The safetensors format: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
// Written and read in parts, so that every rank can do its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/small_file.hpp"

namespace lockstep {

/// One tensor of a file, in row-major order.
struct TensorSpec {
  std::string name;
  std::string dtype;  ///< "F32", "I64"
  std::vector<std::int64_t> shape;
  std::int64_t bytes() const;
};

/// The layout of a file with these tensors in this order.
class SafetensorsFile {
 public:
  SafetensorsFile(std::string path, std::vector<TensorSpec> tensors);

  const std::string& path() const { return path_; }
  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  /// Where tensor `index` begins in the file.
  std::int64_t offset(std::size_t index) const { return offsets_[index]; }
  std::int64_t size() const { return offsets_.back(); }

  /// Creates the file with its header and its full size, the space reserved; what is in it already stays. Not
  /// synced. Throws Error (io).
  void create() const;
  /// Throws Error (io) unless the file on disk has exactly this header and size.
  void check() const;

 private:
  std::string path_;
  std::vector<TensorSpec> tensors_;
  std::string header_;
  std::vector<std::int64_t> offsets_;  ///< one more than there are tensors
};

/// A tensor of a file that any program may have written.
struct StoredTensor {
  std::string dtype;  ///< "F32", "F16", "BF16", ...
  std::vector<std::int64_t> shape;
  std::int64_t begin, end;  ///< its bytes in the file
};

/// The tensors of the safetensors file `path` by name; their bytes lie inside the file, and fit shapes and
/// types. Throws Error (io) when it cannot be read or is not as the format asks.
std::map<std::string, StoredTensor> tensors_in(const std::string& path);

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
