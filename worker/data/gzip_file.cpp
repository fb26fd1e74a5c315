// https://www.rfc-editor.org/rfc/rfc1952: a file consists of members, each with its checksum at the end.
#include "worker/data/gzip_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "common/error.hpp"
#include "common/small_file.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t most_deflated = 1032;  // bytes that one byte of a deflated file can stand for
constexpr std::size_t buffer_bytes = 1 << 18;
constexpr int gzip_alone = 16 + MAX_WBITS;

}  // namespace

GzipFile::GzipFile(const std::string& path) : path_(path), file_(open_to_read(path)) {
  struct stat about {};
  if (inflateInit2(&stream_, gzip_alone) != Z_OK) {
    close(file_);
    throw std::bad_alloc();
  }
  if (fstat(file_, &about) == 0) size_ = about.st_size;
  const auto begin = first_bytes(path, 2);
  compressed_ = begin == "\x1f\x8b";
}

GzipFile::~GzipFile() {
  inflateEnd(&stream_);
  close(file_);
}

void GzipFile::cut_short(const std::string& why) {
  throw Error(ExitCode::io, "cannot read " + path_,
              why.empty() ? "it ends before its header says" : "damaged or cut short: " + why,
              "fetch the file again");
}

void GzipFile::too_long() {
  throw Error(ExitCode::config, "cannot use " + path_, "it is longer than its header says",
              "fetch the file again");
}

/// Reads the next bytes of the file once the buffer is used up; false at the end of the file.
bool GzipFile::fill() {
  if (stream_.avail_in > 0) return true;
  stop_if_asked();
  passed_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.resize(buffer_bytes);
  ssize_t got = 0;
  while ((got = ::read(file_, buffer_.data(), buffer_.size())) < 0 && errno == EINTR) {
  }
  if (got < 0) throw file_error("cannot read", path_, errno);
  buffer_.resize(static_cast<std::size_t>(got));
  stream_.next_in = buffer_.data();
  stream_.avail_in = static_cast<uInt>(got);
  return got > 0;
}

/// Called at the end of a member. Another one may follow, or nothing, or the zeros that pad a tape.
void GzipFile::begin_next_member() {
  ended_ = true;
  if (fill() && *stream_.next_in == 0x1f) {
    ended_ = false;
    inflateReset(&stream_);
    return;
  }
  while (fill()) {
    const std::uint8_t *begin = stream_.next_in, *end = begin + stream_.avail_in;
    const auto* other = std::find_if(begin, end, [](auto byte) { return byte != 0; });
    if (other != end) {
      throw Error(ExitCode::io, "cannot use " + path_,
                  "something follows the end of its compressed data at byte " +
                      std::to_string(passed_ + (other - buffer_.data())),
                  "fetch the file again");
    }
    stream_.avail_in = 0;
  }
}

std::size_t GzipFile::inflate_some(std::uint8_t* to, std::size_t size) {
  stream_.next_out = to;
  stream_.avail_out = static_cast<uInt>(size);
  while (stream_.avail_out == size && !ended_) {
    if (!fill()) cut_short("unexpected end of file");
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      begin_next_member();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      cut_short(stream_.msg ? stream_.msg : "its compressed data cannot be read");
    }
  }
  return size - stream_.avail_out;
}

std::size_t GzipFile::read_some(std::uint8_t* to, std::size_t size) {
  size = std::min<std::size_t>(size, 1 << 30);
  if (compressed_) return inflate_some(to, size);
  if (!fill()) return 0;
  const auto got = std::min<std::size_t>(size, stream_.avail_in);
  std::memcpy(to, stream_.next_in, got);
  stream_.next_in += got;
  stream_.avail_in -= static_cast<uInt>(got);
  return got;
}

void GzipFile::read(void* data, std::size_t size) {
  auto* to = static_cast<std::uint8_t*>(data);
  while (size > 0) {
    const auto got = read_some(to, size);
    if (got == 0) cut_short();
    to += got;
    size -= got;
  }
}

void GzipFile::require_size(std::int64_t size) {
  if (compressed_ ? size_ < size / most_deflated : size_ < size) cut_short();
  if (!compressed_ && size_ > size) too_long();
}

void GzipFile::finish() {
  std::uint8_t byte;
  if (read_some(&byte, 1) > 0) too_long();
}

}  // namespace lockstep
