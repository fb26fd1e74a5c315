// Where the time of a step goes, by rank (docs/timing.md). For reports only: nothing here influences the
// results.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "collectives/gpu_clock.hpp"
#include "collectives/transport.hpp"
#include "common/clock.hpp"
#include "worker/watch/phase.hpp"
#include "worker/watch/trace.hpp"

namespace lockstep {

/// Measures the phases of this rank's main thread. Each call reads the time once, before anything that waits,
/// so that a slow peer shows up as exchange time of the other ranks, not as computing time.
///
/// On a GPU a phase lasts from when the GPU reaches its beginning until the GPU reaches its end, which may be
/// long after the host has queued both. These times are known, and counted, one step later.
class PhaseClock {
 public:
  /// `host` and `gradients` are the run's transports, perhaps the same one; they report how long they have
  /// waited. `trace` and `gpu` may be null.
  PhaseClock(const Transport& host, const Transport& gradients, Trace* trace, GpuClock* gpu = nullptr);

  void begin_step();
  /// Ends the current phase and begins `phase`. The time that a phase waited for peers counts as exchange,
  /// except in the phases checkpoint and evaluation.
  void enter(Phase phase);
  /// Ends the current step; `step` steps of the run are done.
  void end_step(std::int64_t step);

  /// The times since the last call, averaged over the steps begun since then.
  PhaseTimes lap();
  /// The times averaged over all steps. Call after the last step: waits for the GPU.
  PhaseTimes total();

 private:
  using Durations = std::array<Clock::duration, phase_count + 1>;  // by phase, then the exposed part
  /// What ends when the GPU reaches a mark.
  struct Ended {
    std::optional<Phase> phase;  ///< nullopt where a step begins
    Clock::duration waited;      ///< for peers, in this phase
    std::int64_t step = -1;      ///< that ends with it, or -1
  };
  void count(Phase phase, Clock::duration spent, Clock::duration waited);
  void count_what_the_gpu_has_done();
  Clock::duration time_waited() const;
  Clock::duration time_computed() const;

  const Transport &host_, &gradients_;
  Trace* trace_;
  GpuClock* gpu_;
  std::deque<Ended> ended_;  ///< one per mark not yet counted
  Clock::time_point gpu_phase_begin_, gpu_step_begin_;
  Phase phase_ = Phase::other;
  Clock::time_point phase_begin_, step_begin_;
  Clock::duration waited_before_{};
  Durations spent_{}, spent_before_lap_{};
  std::int64_t steps_ = 0, steps_before_lap_ = 0;
};

}  // namespace lockstep
