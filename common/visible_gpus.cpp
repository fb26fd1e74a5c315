#include "common/visible_gpus.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>

namespace lockstep {
namespace fs = std::filesystem;

fs::path device_folder() {
  const char* const folder = std::getenv("LOCKSTEP_DEVICE_FILES");
  return folder && *folder ? folder : "/dev";
}

std::optional<std::string> cuda_visible_devices() {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible ? std::optional<std::string>(visible) : std::nullopt;
}

int error_of_opening(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return errno;
  close(descriptor);
  return 0;
}

GpuDeviceFiles gpu_device_files(const fs::path& folder, const std::function<int(const fs::path&)>& open) {
  const std::string prefix = "nvidia";
  std::error_code failure;
  std::set<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name == prefix) continue;
    if (std::all_of(name.begin() + prefix.size(), name.end(),
                    [](unsigned char character) { return std::isdigit(character) != 0; }))
      paths.insert(entry.path());
  }
  GpuDeviceFiles files;
  for (const auto& path : paths) {
    const int error = open(path);
    if (error != EPERM && error != EACCES) {
      ++files.usable;
    } else if (++files.withheld == 1) {
      files.why_withheld = path.string() + ": " + std::strerror(error);
    }
  }
  return files;
}

int visible_gpus(int present, const std::optional<std::string>& visible) {
  if (!visible || present == 0) return present;
  std::set<std::string> seen;
  std::istringstream list(*visible);
  for (std::string word; std::getline(list, word, ',');) {
    word.erase(0, word.find_first_not_of(' '));
    if (!word.starts_with("GPU-") && !word.starts_with("MIG-")) {
      // CUDA ignores what follows the digits.
      char* end = nullptr;
      const auto index = std::strtol(word.c_str(), &end, 10);
      if (end == word.c_str() || index < 0 || index >= present) break;
      word = std::to_string(index);
    }
    if (!seen.insert(word).second) return 0;
  }
  return static_cast<int>(seen.size());
}

}  // namespace lockstep
