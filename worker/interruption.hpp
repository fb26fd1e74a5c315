// Signals that ask a run to end: it saves what it has and leaves, whatever it is at, whichever rank they
// reach.
#pragma once

#include "collectives/transport.hpp"

namespace lockstep {

/// From now on the signals that ask a process to end (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2) only set a
/// flag.
void catch_ending_signals();

/// The signal that has asked this rank to end, or 0.
int asked_to_end();
/// As if `signal` had come; 0 changes nothing.
void ask_to_end(int signal);

/// Thrown on all ranks in the middle of what can be done again later, such as an evaluation.
struct Interrupted {
  int signal;
};

/// Collective: throws Interrupted on all ranks when any has been asked to end. Throws CollectiveError.
void leave_if_asked(Transport& transport);

}  // namespace lockstep
