// lockstep's own data file: decoded pixels that only need to be mapped (docs/data_format.md).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "worker/data/image_record.hpp"
#include "worker/files/mapped_file.hpp"

namespace lockstep {

/// A packed file, mapped for reading. Opening verifies its header and its records; the user of the pixels
/// verifies them by the hashes in the records.
class PackedFile {
 public:
  /// Throws Error (io) when it cannot be read or is damaged, (config) when it is of another version.
  explicit PackedFile(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const PixelShape& shape() const { return shape_; }
  std::int64_t classes() const { return classes_; }
  const std::vector<std::string>& class_names() const { return class_names_; }  ///< may be empty
  std::span<const ImageRecord> train() const { return train_; }
  std::span<const ImageRecord> test() const { return test_; }
  /// The pixels of image `first` and of all images after it, uint8 [height][width][channels] each; the test
  /// set follows the training set.
  std::shared_ptr<const std::uint8_t> pixels(std::int64_t first) const;
  /// Hash of header, class names and records.
  const Hash128& table_hash() const { return table_hash_; }

 private:
  std::shared_ptr<const MappedFile> file_;
  PixelShape shape_;
  std::int64_t classes_;
  std::vector<std::string> class_names_;
  std::span<const ImageRecord> train_, test_;
  std::size_t pixels_offset_;
  Hash128 table_hash_;
};

/// Whether the file begins as a packed file does. Throws Error (io) when it cannot be read.
bool is_packed_file(const std::string& path);

/// Writes a packed file under a unique name beside `path`, to which finish() renames it. The destructor
/// removes a file that is not finished.
class PackedFileWriter {
 public:
  /// Reserves disk space for `images` images. Throws Error (io), or (config) when a class name holds a line
  /// feed.
  PackedFileWriter(const std::string& path, const PixelShape& shape, std::int64_t images,
                   const std::vector<std::string>& class_names);
  ~PackedFileWriter();
  PackedFileWriter(const PackedFileWriter&) = delete;
  PackedFileWriter& operator=(const PackedFileWriter&) = delete;

  /// Where the pixels go, image by image.
  std::uint8_t* pixels() const { return data_ + pixels_offset_; }
  /// Completes the file, syncs and renames it. `records` are those of the images at the front of pixels(), of
  /// which there may be fewer than reserved. Throws Error (io).
  void finish(std::span<const ImageRecord> records, std::int64_t train_count, std::int64_t classes);

 private:
  std::string path_, writing_, names_;
  PixelShape shape_;
  int file_ = -1;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0, pixels_offset_ = 0;
};

}  // namespace lockstep
