#include "worker/watch/rank_process.hpp"

#include <unistd.h>

#include <fstream>

#include "collectives/host_reduction.hpp"

namespace lockstep {
namespace {

std::int64_t number_after(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  std::int64_t value = 0;
  while (file >> word) {
    if (word == key && file >> value) return value;
  }
  return 0;
}

/// The file in which it counts.
std::string memory_events() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto path = line.substr(line.rfind(':') + 1);
    std::string events;
    if (line.starts_with("0::")) events = "/sys/fs/cgroup" + path + "/memory.events";
    if (line.find(":memory:") != std::string::npos)
      events = "/sys/fs/cgroup/memory" + path + "/memory.oom_control";
    if (!events.empty() && access(events.c_str(), R_OK) == 0) return events;
  }
  return "/proc/vmstat";
}

}  // namespace

RankThreads rank_threads(const std::filesystem::path& process) {
  RankThreads threads;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(process / "task", none)) {
    const auto thread = read_proc_stat(entry.path()).value_or(ProcStat{});
    if (thread.name == exchange_thread_name) {
      threads.exchanging = thread;
    } else {
      threads.states += thread.state;
    }
    if (entry.path().filename() == process.filename()) threads.main = thread;
  }
  return threads;
}

MemoryKills::MemoryKills() : events_(memory_events()) {}

std::int64_t MemoryKills::count() const { return number_after(events_, "oom_kill"); }

}  // namespace lockstep
