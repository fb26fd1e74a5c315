// What a sentinel knows of its rank, and writes into the run folder.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>

#include "common/clock.hpp"
#include "common/diagnosis.hpp"
#include "common/proc_stat.hpp"
#include "common/rank_status.hpp"
#include "worker/watch/gpu_watch.hpp"
#include "worker/watch/rank_process.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {

/// In one line on standard error; `severity`: "warning" or "error".
void print_finding(const Finding& finding, const std::string& severity);

class RankWatch {
 public:
  explicit RankWatch(pid_t pid);

  /// Once a second while the rank lives. `seconds` since the last beat.
  void beat(double seconds);

  /// Who is asked to end may be killed next, and could not tell then that it was.
  void note_asked();

  /// The rank has ended; `asked`: a signal had asked it to.
  void end(int wait_status, bool asked);

 private:
  /// There is no run folder, or it is not known yet, and mpirun is told to be quiet.
  void say_how_it_ended();

  void look_at_threads(double seconds);

  /// There is a new one at every step.
  double cpu_seconds_before(const ProcStat& exchanging) const;

  /// A rank that stands still for too long is killed, so that the others need not wait for it any longer.
  void end_hang(double limit, double seconds);

  void follow_phase(const Stamps& page, double seconds);

  void follow_steps(const Stamps& page, double seconds);

  void remember(double step_ms);

  void write();

  void open_file(const Stamps& page);

  pid_t pid_;
  MemoryKills memory_kills_;  // of the group in which the rank begins too
  std::int64_t kills_before_ = memory_kills_.count();
  RankStatus status_;
  GpuWatch gpu_watch_;
  int file_ = -1;
  bool on_nfs_ = false;
  std::int64_t phase_changes_ = 0, steps_ = 0, computing_ns_ = 0;
  double since_step_ = 0, stopped_seconds_ = 0;
  ProcStat main_before_, process_before_, exchanging_before_;
  Clock::time_point looked_ = Clock::now();
  std::deque<double> recent_;
};

}  // namespace lockstep
