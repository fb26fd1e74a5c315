// Linked into a worker with --wrap: the beginning of each phase of a step is a point, if the library of
// points.hpp is preloaded.
#include "tests/support/faults/points.hpp"
#include "worker/watch/phase_clock.hpp"

#pragma weak lockstep_reach_phase

namespace lockstep {
namespace {

constexpr std::array<const char*, phase_count> names = {"data",   "forward",    "backward",   "exchange",
                                                        "update", "checkpoint", "evaluation", "other"};

}  // namespace

// The linker redirects calls of PhaseClock::enter to the second function, and calls of the first function to
// PhaseClock::enter.
void really_enter(PhaseClock* clock, Phase phase) asm("__real__ZN8lockstep10PhaseClock5enterENS_5PhaseE");
void enter(PhaseClock* clock, Phase phase) asm("__wrap__ZN8lockstep10PhaseClock5enterENS_5PhaseE");

void enter(PhaseClock* clock, Phase phase) {
  if (lockstep_reach_phase) lockstep_reach_phase(names[static_cast<std::size_t>(phase)]);
  really_enter(clock, phase);
}

}  // namespace lockstep
