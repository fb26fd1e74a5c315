// Where this rank is, in shared memory that outlives it: the rank writes stamps before it waits, its sentinel
// reads them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "common/clock.hpp"
#include "common/gpu_health.hpp"
#include "worker/watch/phase.hpp"

namespace lockstep {

/// Shared by a rank and its sentinel. Only the rank writes.
struct RankProgress {
  static constexpr std::size_t awaited_max = 16, path_max = 4096, text_max = 4096;
  static constexpr int start_up = -1, ending = -2;  ///< instead of a Phase: once per run, no usual duration

  std::atomic<int> rank{-1};  ///< -1 until it is known
  char run[path_max] = "";    ///< the run folder; empty until it is known
  std::atomic<double> hang_seconds{0};
  std::atomic<bool> ready{false};  ///< `run` and `rank` may be read

  char segments[path_max] = "";           ///< prefix of the files that this host's ranks share
  std::atomic<bool> has_segments{false};  ///< `segments` may be read

  char gpu[text_max] = "";                                     ///< this rank's, as to_text() writes it
  std::atomic<bool> has_gpu{false};                            ///< `gpu` may be read
  char gpu_failure[text_max] = "", gpu_remedy[text_max] = "";  ///< why it failed, the remedy
  std::atomic<bool> gpu_in_doubt{false};                       ///< as in RankStatus
  std::atomic<bool> gpu_failed{false};                         ///< the three may be read

  std::atomic<std::int64_t> step{0};        ///< steps done
  std::atomic<std::int64_t> steps_here{0};  ///< steps done by this process
  std::atomic<int> phase{start_up};         ///< a Phase, start_up or ending
  std::atomic<std::int64_t> phase_changes{0};
  std::atomic<std::int64_t> longest_ns[phase_count] = {};  ///< the longest of each phase so far
  std::atomic<std::int64_t> micro_batches{0};              ///< of this rank per step
  std::atomic<std::int64_t> computing_ns{0};  ///< data, forward, backward and update, without any waiting
  std::atomic<int> awaited[awaited_max] = {};
  std::atomic<int> awaited_count{0};  ///< 0 while the rank waits for nobody
};

/// The stamps of this process. Only its sentinel reads them, if it has one.
RankProgress& rank_progress();

/// From now on the sentinel writes the status of `rank` into the run folder `run` and kills the rank if it
/// hangs for more than `hang_seconds` (0: never).
void stamp_run(const std::string& run, int rank, double hang_seconds);
/// This rank computes on `gpu` from now on.
void stamp_gpu(const RankGpu& gpu);
/// The GPU that was last given to stamp_gpu(); for the rank and for its sentinel.
RankGpu stamped_gpu();
/// The rank is about to leave because its GPU has failed. `in_doubt`: as in RankStatus.
void stamp_gpu_failure(const std::string& why, const std::string& remedy, bool in_doubt);
/// Stamps the prefix of the shared-memory files that Open MPI has mapped for the ranks of this host. Call
/// after MPI_Init.
void stamp_segments();
/// "start-up", "the end", or phase_name().
std::string name_of_phase(int phase);
/// "in backward of step 120", "in start-up"
std::string place_in_run();
/// `phase` begins. The previous one, if it was a phase of the training loop, took `time`.
void stamp_phase(Phase phase, Clock::duration time);
/// `steps_done` steps of the run are done; `computed` is how long this rank has computed since it began.
void stamp_step(std::int64_t steps_done, Clock::duration computed);
/// All steps are done; only measuring and exporting are left.
void stamp_ending();
/// The training loop begins after `steps_done` steps of the run; this rank has `micro_batches` micro-batches
/// per step.
void stamp_loop(std::int64_t steps_done, std::int64_t micro_batches);
/// The ranks that this one has been waiting for for some time; empty once it waits no longer. More than
/// awaited_max are stamped as RankStatus::many.
void stamp_awaited(std::span<const int> ranks);

}  // namespace lockstep
