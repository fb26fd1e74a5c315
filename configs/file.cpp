#include "configs/file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace lockstep {

FileContent read_small_file(const std::string& path) {
  constexpr std::size_t largest = 256 * 1024;
  std::string content(largest + 1, '\0');
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.is_open() || file.bad())
    return Problem{"cannot read the configuration", std::strerror(errno),
                   "check the path and its permissions"};
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > largest)
    return Problem{"too large for a configuration", "more than 256 KiB", "check the path"};
  return content;
}

}  // namespace lockstep
