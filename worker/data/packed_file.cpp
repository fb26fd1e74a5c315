#include "worker/data/packed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "common/error.hpp"
#include "common/small_file.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

constexpr std::array<char, 8> magic{'l', 'o', 'c', 'k', 'p', 'a', 'c', 'k'};
constexpr std::uint64_t version = 1, page = 4096;
constexpr std::uint64_t most_pixels_of_sample = std::uint64_t{1} << 28, most_classes = std::uint64_t{1} << 20;

/// Numbers are little-endian.
struct Header {
  std::array<char, 8> magic;
  std::uint64_t version, height, width, channels, train_count, test_count, classes, names_bytes,
      records_offset, pixels_offset;
  Hash128 table_hash;  ///< of all bytes before the pixels, with zeros in its own place
};
static_assert(sizeof(Header) == 104);

constexpr std::uint64_t rounded_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

std::uint64_t records_offset_of(std::uint64_t names_bytes) {
  return rounded_up(sizeof(Header) + names_bytes, 8);
}

Error damaged(const std::string& path, const std::string& why) {
  return Error(ExitCode::io, "cannot use " + path, why, "write it again with `lockstep pack`");
}

Hash128 hash_of_table(const std::byte* begin, const Header& header) {
  Header without = header;
  without.table_hash = {};
  const auto* rest = begin + sizeof(Header);
  const std::vector<Hash128> hashes{hash_bytes(&without, sizeof without),
                                    hash_bytes(rest, header.pixels_offset - sizeof(Header))};
  return hash_of_hashes(hashes);
}

void require(const MappedFile& file, const std::string& what, std::uint64_t value, std::uint64_t least,
             std::uint64_t most) {
  if (value >= least && value <= most) return;
  throw damaged(file.path(), "its " + what + ", " + std::to_string(value) + ", is not from " +
                                 std::to_string(least) + " to " + std::to_string(most));
}

/// Products are compared in 128 bits: a damaged header must not overflow into a size that fits.
void check(const Header& header, const MappedFile& file) {
  using Wide = unsigned __int128;
  const auto size = file.bytes().size();
  const Wide images = Wide{header.train_count} + header.test_count;
  const Wide bytes = Wide{header.height} * header.width * header.channels;
  const bool fits = header.records_offset == records_offset_of(header.names_bytes) &&
                    header.names_bytes < size && header.pixels_offset % page == 0 &&
                    header.records_offset + images * sizeof(ImageRecord) <= header.pixels_offset &&
                    header.pixels_offset + images * bytes == size;
  require(file, "height", header.height, 1, most_pixels_of_sample);
  require(file, "width", header.width, 1, most_pixels_of_sample / std::max<std::uint64_t>(header.height, 1));
  require(file, "number of channels", header.channels, 1, 3);
  if (header.channels == 2) throw damaged(file.path(), "its images have 2 channels, not 1 or 3");
  require(file, "number of training images", header.train_count, 1, size / sizeof(ImageRecord));
  require(file, "number of test images", header.test_count, 1, size / sizeof(ImageRecord));
  require(file, "number of classes", header.classes, 1, most_classes);
  if (!fits) throw damaged(file.path(), "its size is not what its header says: it is cut short or damaged");
  if (hash_of_table(file.bytes().data(), header) != header.table_hash)
    throw damaged(file.path(), "its header or its records have another hash than was written");
}

/// The hash of the table is public: what it fits may still be no image of this shape and these classes.
void check_records(const PackedFile& file) {
  const auto area = static_cast<std::uint64_t>(file.shape().height * file.shape().width);
  const auto count = std::ssize(file.train()) + std::ssize(file.test());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& record = file.train().data()[i];  // those of the test set follow
    const auto number = "image " + std::to_string(i);
    if (record.label < 0 || record.label >= file.classes()) {
      throw damaged(file.path(), number + " has label " + std::to_string(record.label) +
                                     ", and labels run from 0 to " + std::to_string(file.classes() - 1));
    }
    for (std::size_t c = 0; c < record.sums.size(); ++c) {
      const auto levels = static_cast<std::int64_t>(c) < file.shape().channels ? 255 * area : 0;
      if (record.sums[c] > levels || record.squares[c] > 255 * levels)
        throw damaged(file.path(), number + " has sums of levels that its pixels cannot have");
    }
  }
}

void check_names(const PackedFile& file) {
  const auto names = std::ssize(file.class_names());
  if (names == 0 || names == file.classes()) return;
  throw damaged(file.path(), "it has " + std::to_string(names) + " names of classes for " +
                                 std::to_string(file.classes()) + " classes");
}

/// A link at the place of the file stays: what it points to is replaced.
std::string target_of(const std::string& path) {
  std::error_code none;
  const auto target = std::filesystem::canonical(path, none);
  return none ? path : target.string();
}

}  // namespace

bool is_packed_file(const std::string& path) {
  return first_bytes(path, magic.size()) == std::string(magic.begin(), magic.end());
}

PackedFile::PackedFile(const std::string& path) : file_(std::make_shared<MappedFile>(path)) {
  const BusyWith file(path.c_str());
  const auto bytes = file_->bytes();
  Header header{};
  if (bytes.size() < sizeof header) throw damaged(path, "it is cut short");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != version) {
    throw Error(ExitCode::config, "cannot use " + path,
                "it has version " + std::to_string(header.version) + " of the format, this lockstep reads " +
                    std::to_string(version),
                "write it again with `lockstep pack`");
  }
  check(header, *file_);
  shape_ = {static_cast<std::int64_t>(header.height), static_cast<std::int64_t>(header.width),
            static_cast<std::int64_t>(header.channels)};
  classes_ = static_cast<std::int64_t>(header.classes);
  std::istringstream names(
      std::string(reinterpret_cast<const char*>(bytes.data()) + sizeof header, header.names_bytes));
  for (std::string name; std::getline(names, name);) class_names_.push_back(name);
  const auto* records = reinterpret_cast<const ImageRecord*>(bytes.data() + header.records_offset);
  train_ = {records, header.train_count};
  test_ = {records + header.train_count, header.test_count};
  pixels_offset_ = header.pixels_offset;
  table_hash_ = header.table_hash;
  check_names(*this);
  check_records(*this);
}

std::shared_ptr<const std::uint8_t> PackedFile::pixels(std::int64_t first) const {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(file_->bytes().data()) + pixels_offset_;
  return {file_, begin + first * shape_.bytes()};
}

PackedFileWriter::PackedFileWriter(const std::string& path, const PixelShape& shape, std::int64_t images,
                                   const std::vector<std::string>& class_names)
    : path_(target_of(path)), shape_(shape) {
  for (const auto& name : class_names) {
    if (name.find('\n') != std::string::npos)
      throw Error(ExitCode::config, "cannot pack a class whose name holds a line feed",
                  "a packed file holds a name a line", "rename its folder");
    names_ += name + "\n";
  }
  pixels_offset_ = rounded_up(
      records_offset_of(names_.size()) + static_cast<std::size_t>(images) * sizeof(ImageRecord), page);
  size_ = pixels_offset_ + static_cast<std::size_t>(images * shape.bytes());
  writing_ = path_ + ".writing-" + std::to_string(getpid());
  note_unfinished(writing_);
  file_ = open(writing_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file_ < 0) {
    const int error_number = errno;
    note_unfinished("");
    throw file_error("cannot create", writing_, error_number);
  }
  // Room is taken now: a page that the disk has no room for would end the program when it is written to.
  const int full = posix_fallocate(file_, 0, static_cast<off_t>(size_));
  void* data = full == 0 ? mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0) : MAP_FAILED;
  if (data == MAP_FAILED) {
    const int error_number = full != 0 ? full : errno;
    close(file_);
    unlink(writing_.c_str());
    note_unfinished("");
    throw file_error("cannot reserve " + std::to_string(size_) + " bytes for", writing_, error_number);
  }
  data_ = static_cast<std::uint8_t*>(data);
}

PackedFileWriter::~PackedFileWriter() {
  munmap(data_, size_);
  close(file_);
  if (!writing_.empty()) unlink(writing_.c_str());
  note_unfinished("");
}

void PackedFileWriter::finish(std::span<const ImageRecord> records, std::int64_t train_count,
                              std::int64_t classes) {
  const auto count = static_cast<std::uint64_t>(records.size());
  Header header{magic,
                version,
                static_cast<std::uint64_t>(shape_.height),
                static_cast<std::uint64_t>(shape_.width),
                static_cast<std::uint64_t>(shape_.channels),
                static_cast<std::uint64_t>(train_count),
                count - static_cast<std::uint64_t>(train_count),
                static_cast<std::uint64_t>(classes),
                names_.size(),
                records_offset_of(names_.size()),
                pixels_offset_,
                {}};
  std::memcpy(data_ + sizeof header, names_.data(), names_.size());
  std::memcpy(data_ + header.records_offset, records.data(), records.size_bytes());
  header.table_hash = hash_of_table(reinterpret_cast<const std::byte*>(data_), header);
  std::memcpy(data_, &header, sizeof header);
  const auto used = pixels_offset_ + count * static_cast<std::uint64_t>(shape_.bytes());
  if (msync(data_, size_, MS_SYNC) != 0 || ftruncate(file_, static_cast<off_t>(used)) != 0 ||
      fsync(file_) != 0)
    throw file_error("cannot write", writing_, errno);
  if (std::rename(writing_.c_str(), path_.c_str()) != 0) throw file_error("cannot rename to", path_, errno);
  writing_.clear();
}

}  // namespace lockstep
