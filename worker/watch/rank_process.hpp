// What a sentinel learns from the kernel about its rank's process and threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/proc_stat.hpp"

namespace lockstep {

struct RankThreads {
  std::string states;  ///< a letter for each thread but `exchanging`
  std::optional<ProcStat> main;
  ProcStat exchanging;  ///< the thread that exchanges messages, if there is one
};

/// `process`: the folder of the process in /proc.
RankThreads rank_threads(const std::filesystem::path& process);

/// Counts the processes that the kernel has killed for want of memory (OOM killer) in this process's control
/// group (cgroup v2 or v1) or, if that cannot be read, on the whole machine.
class MemoryKills {
 public:
  /// Counts in the control group that this process is in now.
  MemoryKills();
  std::int64_t count() const;

 private:
  std::string events_;
};

}  // namespace lockstep
