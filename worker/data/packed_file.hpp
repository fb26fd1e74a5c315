// lockstep's own data file: decoded pixels that need only be mapped (docs/data_format.md).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "worker/data/image_record.hpp"
#include "worker/files/mapped_file.hpp"

namespace lockstep {

/// A packed file, mapped for reading. Opening verifies its header and its records; pixels are verified by
/// their hashes in the records when they are used.
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
  /// The pixels of image `first` and all after it, those of the training set first.
  std::shared_ptr<const std::uint8_t> pixels(std::int64_t first) const;
  /// Of header and records.
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

bool is_packed_file(const std::string& path);

/// Writes a packed file: under another name beside its place, which no other file has, until finish() renames
/// it; what is not finished is removed.
class PackedFileWriter {
 public:
  /// Room for `images` images. Throws Error (io).
  PackedFileWriter(const std::string& path, const PixelShape& shape, std::int64_t images,
                   const std::vector<std::string>& class_names);
  ~PackedFileWriter();
  PackedFileWriter(const PackedFileWriter&) = delete;
  PackedFileWriter& operator=(const PackedFileWriter&) = delete;

  /// Where pixels go, image by image.
  std::uint8_t* pixels() const { return data_ + pixels_offset_; }
  /// `records` are of the images at the front of pixels(), of which there may be fewer than there is room
  /// for.
  void finish(std::span<const ImageRecord> records, std::int64_t train_count, std::int64_t classes);

 private:
  std::string path_, writing_, names_;
  PixelShape shape_;
  int file_ = -1;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0, pixels_offset_ = 0;
};

}  // namespace lockstep
