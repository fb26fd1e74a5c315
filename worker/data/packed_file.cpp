#include "worker/data/packed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/error.hpp"

namespace lockstep {
namespace {

constexpr std::array<char, 8> magic{'l', 'o', 'c', 'k', 'p', 'a', 'c', 'k'};
constexpr std::uint64_t version = 1, page = 4096;

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

/// Products are compared in 128 bits: a damaged header must not overflow into a size that fits.
void check(const Header& header, const MappedFile& file) {
  using Wide = unsigned __int128;
  const auto size = file.bytes().size();
  const Wide images = Wide{header.train_count} + header.test_count;
  const Wide bytes = Wide{header.height} * header.width * header.channels;
  const bool fits = header.records_offset == records_offset_of(header.names_bytes) &&
                    header.names_bytes < size && header.pixels_offset % page == 0 &&
                    header.records_offset + images * sizeof(ImageRecord) <= header.pixels_offset &&
                    header.height < (1u << 28) && header.width < (1u << 28) && header.channels <= 3 &&
                    header.pixels_offset + images * bytes == size;
  if (!fits) throw damaged(file.path(), "its size is not what its header says: it is cut short or damaged");
  if (hash_of_table(file.bytes().data(), header) != header.table_hash)
    throw damaged(file.path(), "its header or its records have another hash than was written");
}

}  // namespace

bool is_packed_file(const std::string& path) {
  std::array<char, 8> begin{};
  std::ifstream(path, std::ios::binary).read(begin.data(), begin.size());
  return begin == magic;
}

PackedFile::PackedFile(const std::string& path) : file_(std::make_shared<MappedFile>(path)) {
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
}

std::shared_ptr<const std::uint8_t> PackedFile::pixels(std::int64_t first) const {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(file_->bytes().data()) + pixels_offset_;
  return {file_, begin + first * shape_.bytes()};
}

PackedFileWriter::PackedFileWriter(const std::string& path, const PixelShape& shape, std::int64_t images,
                                   const std::vector<std::string>& class_names)
    : path_(path), writing_(path + ".writing"), shape_(shape) {
  for (const auto& name : class_names) names_ += name + "\n";
  pixels_offset_ = rounded_up(
      records_offset_of(names_.size()) + static_cast<std::size_t>(images) * sizeof(ImageRecord), page);
  size_ = pixels_offset_ + static_cast<std::size_t>(images * shape.bytes());
  file_ = open(writing_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) throw file_error("cannot create", writing_, errno);
  // Room is taken now: a page that the disk has no room for would end the program when it is written to.
  const int full = posix_fallocate(file_, 0, static_cast<off_t>(size_));
  void* data = full == 0 ? mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0) : MAP_FAILED;
  if (data == MAP_FAILED) {
    const int error_number = full != 0 ? full : errno;
    close(file_);
    unlink(writing_.c_str());
    throw file_error("cannot reserve " + std::to_string(size_) + " bytes for", writing_, error_number);
  }
  data_ = static_cast<std::uint8_t*>(data);
}

PackedFileWriter::~PackedFileWriter() {
  munmap(data_, size_);
  close(file_);
  if (!writing_.empty()) unlink(writing_.c_str());
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
