// What a sentinel knows about its rank and writes into the run folder.
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

/// Prints `finding` in one line on standard error; `severity` is "warning" or "error".
void print_finding(const Finding& finding, const std::string& severity);

/// Follows the process and the stamps of the rank `pid`, writes its status into the run folder at every beat,
/// and kills it when it hangs.
class RankWatch {
 public:
  explicit RankWatch(pid_t pid);

  /// Called once a second while the rank lives; `seconds` is the time since the last beat.
  void beat(double seconds);

  /// Writes at once that a signal has asked the rank to end: the sentinel may be killed next and could not
  /// write it then.
  void note_asked();

  /// The rank has ended, with `wait_status` from waitpid(); `asked`: a signal had asked it to end.
  void end(int wait_status, bool asked);

 private:
  /// Prints how the rank ended, if there is no run folder, or none is known yet, to write it to: mpirun is
  /// told to be quiet.
  void say_how_it_ended();

  void look_at_threads(double seconds);

  /// CPU seconds of the exchanging thread at the last beat; 0 if it is a new one, as in every step.
  double cpu_seconds_before(const ProcStat& exchanging) const;

  /// Kills the rank if it hangs for longer than `limit` seconds, so that its peers need not wait any longer.
  void end_hang(double limit, double seconds);

  void follow_phase(const RankProgress& page, double seconds);

  void follow_steps(const RankProgress& page, double seconds);

  void remember(double step_ms);

  void write();

  void open_file(const RankProgress& page);

  pid_t pid_;
  MemoryKills memory_kills_;  // of the control group in which the rank starts too
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
