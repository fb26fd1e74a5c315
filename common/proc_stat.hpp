// What the kernel tells of a process or a thread in /proc/.../stat.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace lockstep {

struct ProcStat {
  std::string name;  ///< of the thread, or of the process's first thread; 15 bytes at most
  char state = '?';  ///< R, S, D, T, Z, ...
  std::int64_t parent = 0;
  double cpu_seconds = 0;         ///< used so far; by a process, in all its threads
  std::uint64_t start_ticks = 0;  ///< when it began: with the PID, it identifies the process
};

/// /proc/PID
std::filesystem::path folder_of_process(std::int64_t pid);

/// Of the process in /proc/PID, or of the thread in /proc/PID/task/TID; nothing if it is gone. Never throws.
std::optional<ProcStat> read_proc_stat(const std::filesystem::path& folder);

}  // namespace lockstep
