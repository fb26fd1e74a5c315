// Processes and threads as /proc shows them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace lockstep {

struct Task {
  std::string name;  ///< of a thread, 15 bytes at most; of a process, its first thread's
  char state = '?';  ///< R, S, D, T, Z, ...
  std::int64_t parent = 0;
  double cpu_seconds = 0;         ///< used so far; those of a process are those of all its threads
  std::uint64_t start_ticks = 0;  ///< when it began: with its number, it is this one and no later one
};

/// /proc/PID
std::filesystem::path folder_of_process(std::int64_t pid);

/// The process of /proc/PID, or the thread of /proc/PID/task/TID. Nothing when it is gone. Never throws.
std::optional<Task> task_in(const std::filesystem::path& folder);

}  // namespace lockstep
