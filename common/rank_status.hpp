// The status of a rank, which its sentinel writes into the run folder. `lockstep why`, the launcher and the
// warnings during a run are based on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"

namespace lockstep {

/// One rank at one moment. Durations count the sentinel's own beats, so that a job that was suspended as a
/// whole does not seem stuck.
struct RankStatus {
  enum class State {
    running,
    stopped,  ///< by a signal (SIGSTOP, SIGTSTP)
    ended,
  };

  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  std::int64_t beat = 0;  ///< incremented with every write
  double written = 0;     ///< Unix time in seconds, by the host's clock
  State state = State::running;
  int exit_code = 0, signal = 0;  ///< how a rank in State::ended has ended
  bool asked = false;             ///< the process had been sent a signal such as SIGTERM before it ended
  bool out_of_memory = false;
  std::int64_t step = 0;     ///< steps completed
  std::string phase;         ///< "start-up", "the end", or as in docs/timing.md
  double phase_seconds = 0;  ///< since the phase began
  double usual_seconds = 0;  ///< the longest that this phase has taken so far; 0: not yet known
  static constexpr int many = -1;
  std::vector<int> awaits;   ///< the ranks that it has recently been waiting for, or `many`
  bool on_disk = false;      ///< a thread of it waits for a disk or a file system (state D)
  bool ready = false;        ///< the main thread, or the one it waits for, is runnable
  double cores = 0;          ///< CPU time of these two since the last beat, per second
  double idle_seconds = 0;   ///< for how long no thread has been runnable or used noticeable CPU time
  double step_ms = 0;        ///< of the latest steps, or of the current one if that is longer
  double usual_step_ms = 0;  ///< the median over the process's steps; 0 until there are enough
  double compute_ms = 0;     ///< per micro-batch in the latest steps, without waiting
  RankGpu gpu;               ///< if the rank computes on one
  std::string gpu_failure, gpu_remedy;  ///< if the rank has left because its GPU failed: why, and what helps
  bool gpu_in_doubt = false;            ///< a kernel failed, but NVML finds nothing wrong with the GPU

  /// Killed, crashed, or left with an error of its own; not because another rank was lost, nor on request.
  bool failed() const;
  /// It left with 128 + a signal that had asked it or another rank to end.
  bool left_in_order() const;
  /// mpirun or its daemon was gone: Open MPI ended the rank with one of its own exit codes, above 128, or
  /// the rank was ended by SIGPIPE.
  bool lost_its_starter() const;
};

/// RUN/status, which has one file for each rank.
std::string status_folder(const std::string& run);
/// `status` as a line, padded so that a later one overwrites it completely.
std::string to_text(const RankStatus& status);
/// Nothing if `text` is not a status, as in the middle of a write.
std::optional<RankStatus> rank_status_from_text(const std::string& text);
/// The GPU of a rank as text, and back; a RankGpu that does not exist() if `text` is not one.
std::string to_text(const RankGpu& gpu);
RankGpu rank_gpu_from_text(const std::string& text);
/// All statuses in the run folder, by rank. Never throws: what cannot be read is left out.
std::vector<RankStatus> read_rank_statuses(const std::string& run);

}  // namespace lockstep
