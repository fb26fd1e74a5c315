#include "launcher/machine.hpp"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/cpu_quota.hpp"
#include "common/error.hpp"

namespace lockstep {
namespace fs = std::filesystem;

int usable_cores() {
  // The kernel refuses a mask smaller than its own, so larger ones are tried (for machines with more than
  // 1024 CPUs).
  for (std::size_t sets = 1; sets <= 64; sets *= 2) {
    std::vector<cpu_set_t> mask(sets);
    const std::size_t bytes = sets * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) return within_quota(CPU_COUNT_S(bytes, mask.data()));
    if (errno != EINVAL) break;
  }
  return 1;
}

std::string program_beside_this(const std::string& name) {
  const fs::path path = fs::read_symlink("/proc/self/exe").parent_path() / name;
  if (access(path.c_str(), X_OK) != 0) {
    throw Error(ExitCode::io, "the program " + path.string() + " cannot be started",
                "it belongs beside lockstep in the same folder", "build it with `make build`");
  }
  return path;
}

bool has_room_to_share(int ranks) {
  constexpr std::uint64_t bytes_per_rank = 16 << 20;  // the vader BTL takes 4 MiB, and more as it grows
  struct statvfs system {};
  return statvfs("/dev/shm", &system) == 0 && std::uint64_t{system.f_bavail} * system.f_frsize >=
                                                  static_cast<std::uint64_t>(ranks) * bytes_per_rank;
}

std::optional<int> terminal_columns() {
  constexpr int usual_columns = 80;  // for terminals that do not report it, such as a serial line
  if (!isatty(STDOUT_FILENO)) return std::nullopt;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return usual_columns;
  return size.ws_col;
}

}  // namespace lockstep
