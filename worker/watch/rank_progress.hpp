// Where this rank is, in memory that outlives it: the rank stamps before it waits, its sentinel reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "common/clock.hpp"
#include "common/gpu_health.hpp"
#include "worker/watch/phase.hpp"

namespace lockstep {

/// Shared by a rank and its sentinel. The rank alone writes.
struct Stamps {
  static constexpr std::size_t awaited_max = 16, path_max = 4096, text_max = 4096;
  static constexpr int start_up = -1, ending = -2;  ///< in the place of a Phase: once a run, without a pace

  std::atomic<int> rank{-1};  ///< -1 until it is known
  char run[path_max] = "";    ///< the run folder; empty until it is known
  std::atomic<double> hang_seconds{0};
  std::atomic<bool> ready{false};  ///< `run` and `rank` may be read

  char segments[path_max] = "";  ///< how the names of the files begin that the job's ranks share here
  std::atomic<bool> has_segments{false};  ///< `segments` may be read

  char gpu[text_max] = "";                                     ///< this rank's, as to_text() makes it
  std::atomic<bool> has_gpu{false};                            ///< `gpu` may be read
  char gpu_failure[text_max] = "", gpu_remedy[text_max] = "";  ///< why it has failed, what helps
  std::atomic<bool> gpu_in_doubt{false};                       ///< as in RankStatus
  std::atomic<bool> gpu_failed{false};                         ///< the three may be read

  std::atomic<std::int64_t> step{0};        ///< steps done
  std::atomic<std::int64_t> steps_here{0};  ///< by this process
  std::atomic<int> phase{start_up};         ///< a Phase
  std::atomic<std::int64_t> phase_changes{0};
  std::atomic<std::int64_t> longest_ns[phase_count] = {};  ///< that a phase has taken so far
  std::atomic<std::int64_t> micro_batches{0};              ///< of this rank in a step
  std::atomic<std::int64_t> computing_ns{0};  ///< data, forward, backward and update, without any waiting
  std::atomic<int> awaited[awaited_max] = {};
  std::atomic<int> awaited_count{0};  ///< 0 while it waits for nobody
};

/// This process's, which nobody reads unless it has a sentinel.
Stamps& stamps();

/// From now on the sentinel writes about `rank` into the folder `run`, and ends a rank that stands still for
/// `hang_seconds`, unless they are 0.
void stamp_run(const std::string& run, int rank, double hang_seconds);
/// This rank computes on `gpu` from now on.
void stamp_gpu(const RankGpu& gpu);
/// What stamp_gpu() was given last; for the rank and for its sentinel.
RankGpu stamped_gpu();
/// The rank is about to leave because its GPU has failed. `in_doubt`: as in RankStatus.
void stamp_gpu_failure(const std::string& why, const std::string& remedy, bool in_doubt);
/// Notes the files that Open MPI has mapped for the ranks of this host; called after MPI_Init.
void stamp_segments();
/// "start-up", "the end", or phase_name().
std::string name_of_phase(int phase);
/// "in backward of step 120", "in start-up"
std::string place_in_run();
/// `phase` begins. The one before, if it was one of the loop's, took `time`.
void stamp_phase(Phase phase, Clock::duration time);
/// `steps_done` of the run; `computed`: how long this rank has computed since it began.
void stamp_step(std::int64_t steps_done, Clock::duration computed);
/// The steps are done; what is left is to measure and to export.
void stamp_ending();
/// The loop begins after `steps_done` of the run; this rank has so many micro-batches in each step.
void stamp_loop(std::int64_t steps_done, std::int64_t micro_batches);
/// The ranks that this one has been waiting for for a while; none when it waits no longer.
void stamp_awaited(std::span<const int> ranks);

}  // namespace lockstep
