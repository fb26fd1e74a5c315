// Where the time of a step goes, by rank (docs/timing.md). For reports only: nothing here steers the numbers.
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

/// The clock of this rank's main thread. Each call reads the time once, before whatever waits: so a slow peer
/// shows as the exchange of the others and not as their computation.
///
/// On a GPU a phase lasts from when the GPU comes to its begin to when it comes to its end, which may be long
/// after the host has queued both. These times are known a step later, and counted then.
class PhaseClock {
 public:
  /// `host` and `gradients` are the run's transports, perhaps the same one; they tell how long they waited.
  /// `trace` and `gpu` may be null.
  PhaseClock(const Transport& host, const Transport& gradients, Trace* trace, GpuClock* gpu = nullptr);

  void begin_step();
  /// Ends the phase before. What a phase other than checkpoint and evaluation waited for peers counts as
  /// exchange.
  void enter(Phase phase);
  /// `step` steps are done.
  void end_step(std::int64_t step);

  /// Since the last call, over the steps begun since then.
  PhaseTimes lap();
  /// Over all steps, of which there are no more: waits for the GPU.
  PhaseTimes total();

 private:
  using Durations = std::array<Clock::duration, phase_count + 1>;  // by phase, then the exposed part
  /// What ends where the GPU comes to a mark.
  struct Ended {
    std::optional<Phase> phase;  ///< none where a step begins
    Clock::duration waited;      ///< of it, for peers
    std::int64_t step = -1;      ///< that ends too
  };
  void count(Phase phase, Clock::duration spent, Clock::duration waited);
  void count_what_the_gpu_has_done();
  Clock::duration time_waited() const;
  Clock::duration time_computed() const;

  const Transport &host_, &gradients_;
  Trace* trace_;
  GpuClock* gpu_;
  std::deque<Ended> ended_;  ///< for each mark on the GPU
  Clock::time_point gpu_phase_begin_, gpu_step_begin_;
  Phase phase_ = Phase::other;
  Clock::time_point phase_begin_, step_begin_;
  Clock::duration waited_before_{};
  Durations spent_{}, spent_before_lap_{};
  std::int64_t steps_ = 0, steps_before_lap_ = 0;
};

}  // namespace lockstep
