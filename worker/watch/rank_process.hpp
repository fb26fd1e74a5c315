// What the kernel tells of a rank's process and its threads, to the sentinel beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/proc_stat.hpp"

namespace lockstep {

struct RankThreads {
  std::string states;  ///< of all but `exchanging`
  std::optional<ProcStat> main;
  ProcStat exchanging;  ///< the one that exchanges messages, where there is one
};

/// `process`: the folder of the process in /proc.
RankThreads rank_threads(const std::filesystem::path& process);

/// How many processes the kernel has killed for want of memory, in this process's control group (of version 2
/// or 1), or on the whole machine.
class MemoryKills {
 public:
  /// Of the group in which this process is now.
  MemoryKills();
  std::int64_t count() const;

 private:
  std::string events_;
};

}  // namespace lockstep
