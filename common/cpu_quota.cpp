#include "common/cpu_quota.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

/// The quota of one group, of version 2 ("max 100000" means none) or of version 1 (-1 means none).
std::optional<double> quota_in(const fs::path& folder) {
  double quota = 0, period = 0;
  if (std::ifstream file(folder / "cpu.max"); !(file >> quota >> period)) {
    std::ifstream(folder / "cpu.cfs_quota_us") >> quota;
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

/// If `line` of /proc/self/cgroup names a group that can limit CPU time: its hierarchy below /sys/fs/cgroup,
/// and the group in it.
std::optional<std::pair<fs::path, fs::path>> group_of(const std::string& line) {
  const auto first = line.find(':'), second = line.find(':', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const auto controllers = line.substr(first + 1, second - first - 1);
  const auto group = fs::path(line.substr(second + 1)).relative_path();
  if (controllers.empty()) return {{"", group}};
  std::istringstream words(controllers);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "cpu") return {{controllers, group}};
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto found = group_of(line);
    if (!found) continue;
    const auto& [hierarchy, group] = *found;
    auto top = fs::path(root + "/sys/fs/cgroup") / hierarchy;
    std::error_code none;
    if (!fs::exists(top, none)) top = fs::path(root + "/sys/fs/cgroup/cpu");
    // A container does not see the ancestors of its group, which is mounted as the root.
    for (auto path = group;; path = path.parent_path()) {
      if (const auto quota = quota_in(top / path)) least = std::min(least.value_or(*quota), *quota);
      if (path.empty()) break;
    }
  }
  return least;
}

int within_quota(int cores, const std::string& root) {
  const auto quota = cpu_quota(root);
  if (!quota || *quota >= cores) return std::max(1, cores);
  return std::max(1, static_cast<int>(*quota));
}

}  // namespace lockstep
