// How a rank stands, as its sentinel writes it into the run folder: what `lockstep why`, the warnings of a
// run under way and the launcher read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"

namespace lockstep {

/// One rank at one moment. Seconds are those of the sentinel's own beats, so that a job that is suspended as
/// a whole does not seem to stand still.
struct RankStatus {
  enum class State {
    running,
    stopped,  ///< by a signal (SIGSTOP, SIGTSTP)
    ended,
  };

  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  std::int64_t beat = 0;  ///< grows with every write
  double written = 0;     ///< when, Unix time in seconds by the host's clock
  State state = State::running;
  int exit_code = 0, signal = 0;  ///< of a rank that has ended: its exit code, or the signal that ended it
  bool asked = false;             ///< the process was asked to end (SIGTERM, ...) before it did
  bool out_of_memory = false;
  std::int64_t step = 0;     ///< steps done
  std::string phase;         ///< "start-up", "the end", or as in docs/timing.md
  double phase_seconds = 0;  ///< since the phase began
  double usual_seconds = 0;  ///< the longest that it has taken before in this process; 0: never yet
  static constexpr int many = -1;
  std::vector<int> awaits;   ///< the ranks that it has been waiting for in the last moments, or `many`
  bool on_disk = false;      ///< a thread of it waits for a disk or a file system (state D)
  bool ready = false;        ///< the main thread, or the one it waits for, runs or could if it had a core
  double cores = 0;          ///< CPU time that these have used since the last beat, per second
  double idle_seconds = 0;   ///< for how long no thread of it has been ready, nor used CPU time to speak of
  double step_ms = 0;        ///< of the latest steps; of the step under way where that is longer
  double usual_step_ms = 0;  ///< the median over the process's steps; 0 while there are few
  double compute_ms = 0;     ///< of a micro-batch in the latest steps, without any waiting
  RankGpu gpu;               ///< where the rank computes on one
  std::string gpu_failure, gpu_remedy;  ///< of a rank that has left because its GPU failed: why, what helps
  bool gpu_in_doubt = false;  ///< a kernel came to nothing, and NVML finds nothing wrong with the GPU

  /// Killed, crashed, or left with an error of its own: not for want of another rank, nor when asked to.
  bool failed() const;
  /// A signal had asked it or another rank to end: 128 + that signal.
  bool left_in_order() const;
  /// mpirun or its daemon had gone: Open MPI ended it with an exit code of its own, above 128, or it wrote to
  /// them (SIGPIPE).
  bool lost_its_starter() const;
};

/// RUN/status, where each rank has one file.
std::string status_folder(const std::string& run);
/// The line that stands for `status`, padded so that a later one covers it.
std::string to_text(const RankStatus& status);
/// Nothing where `text` is not one, as in the middle of a write.
std::optional<RankStatus> rank_status_from_text(const std::string& text);
/// The GPU of a rank as text, and back; one that does not exist where the text is none.
std::string to_text(const RankGpu& gpu);
RankGpu rank_gpu_from_text(const std::string& text);
/// All that lies in the run's folder, by rank. Never throws: what cannot be read is left out.
std::vector<RankStatus> read_rank_statuses(const std::string& run);

}  // namespace lockstep
