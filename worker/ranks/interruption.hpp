// Signals that ask a run to end: it saves what it has and leaves, whatever it is at, whichever rank they
// reach.
#pragma once

#include <string>

namespace lockstep {

/// From now on the signals that ask a process to end (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2) only set a
/// flag. A process that has not begun to leave a second later says what it is at, and ends: it has nothing
/// to lose until leave_in_order_only().
void catch_ending_signals();
/// From now on they only set the flag: there is something to save, or the process leaves already.
void leave_in_order_only();

/// From now on they end this process at once, and take the unfinished file along.
void end_when_asked();
/// The file that is being written; "" for none.
void note_unfinished(const std::string& path);

/// The signal that has asked this rank to end, or 0.
int asked_to_end();
/// As if `signal` had come; 0 changes nothing.
void ask_to_end(int signal);

/// Thrown on all ranks in the middle of what can be done again later, such as an evaluation.
struct Interrupted {
  int signal;
};

/// Throws Interrupted on this rank, if it has been asked to end: for the inside of on_all_ranks().
void stop_if_asked();

/// Names what a thread is at as long as the object lives: of a process that is asked to end and does not, it
/// tells what it waits for. `what` lives longer.
class BusyWith {
 public:
  explicit BusyWith(const char* what);
  ~BusyWith();
  BusyWith(const BusyWith&) = delete;
  BusyWith& operator=(const BusyWith&) = delete;

 private:
  std::size_t place_;
};

}  // namespace lockstep
