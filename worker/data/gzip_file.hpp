// A file that may be compressed, read once from its beginning to its end.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "worker/ranks/interruption.hpp"

namespace lockstep {

/// Reads the file as it is, or inflates it if it begins as a gzip file. All functions throw Error (io,
/// config) that says what is wrong with the file, and Interrupted when this rank is asked to end.
class GzipFile {
 public:
  explicit GzipFile(const std::string& path);
  ~GzipFile();
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  /// Reads the next `size` bytes into `data`. Throws when there are fewer.
  void read(void* data, std::size_t size);

  /// Throws if the file's size on disk shows that it cannot hold `size` bytes of content. Call before memory
  /// is allocated for them.
  void require_size(std::int64_t size);

  /// Throws unless all has been read, the checksums of gzip are right, and only zeros follow the last member.
  void finish();

 private:
  std::size_t read_some(std::uint8_t* to, std::size_t size);
  std::size_t inflate_some(std::uint8_t* to, std::size_t size);
  bool fill();
  void begin_next_member();
  [[noreturn]] void cut_short(const std::string& why = "");
  [[noreturn]] void too_long();

  std::string path_;
  BusyWith reading_{path_.c_str()};
  int file_;
  std::int64_t size_ = 0, passed_ = 0;  ///< bytes of the file, and bytes read before the buffer
  std::vector<std::uint8_t> buffer_;
  z_stream stream_{};  ///< its input: what is left of the buffer
  bool compressed_ = false, ended_ = false;
};

}  // namespace lockstep
