// The safetensors format: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes. Files
// are written and read in parts, so that every rank can handle its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
  /// The byte of the file at which tensor `index` begins.
  std::int64_t offset(std::size_t index) const { return offsets_[index]; }
  std::int64_t size() const { return offsets_.back(); }

  /// Creates the file, writes its header and reserves the space of its full size. Data that is already in it
  /// stays. Does not sync. Throws Error (io).
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
  std::int64_t begin, end;  ///< its bytes in the file, [begin, end)
};

/// The tensors of the safetensors file `path`, by name. Their bytes lie inside the file and match their
/// shapes and types. Throws Error (io) when the file cannot be read or violates the format.
std::map<std::string, StoredTensor> tensors_in(const std::string& path);

}  // namespace lockstep
