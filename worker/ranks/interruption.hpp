// Signals that ask a run to end. The run then saves what it has and leaves, whatever it is doing and
// whichever rank the signal reaches.
#pragma once

#include <string>

namespace lockstep {

/// From now on the signals that ask a process to end (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2) only set a
/// flag. A process that has not begun to leave one second later prints what it is doing and exits: until
/// leave_in_order_only() it has nothing to lose.
void catch_ending_signals();
/// From now on the signals only set the flag and the process does not exit after a second: there is something
/// to save, or it is already leaving.
void leave_in_order_only();

/// From now on the signals end this process at once; its unfinished file is removed.
void end_when_asked();
/// Names the file that is being written, for end_when_asked(); "" for none.
void note_unfinished(const std::string& path);

/// The signal that has asked this rank to end, or 0.
int asked_to_end();
/// Acts as if `signal` had arrived, unless another has already; 0 changes nothing.
void ask_to_end(int signal);

/// Thrown on all ranks in the middle of work that can be repeated later, such as an evaluation.
struct Interrupted {
  int signal;
};

/// Throws Interrupted on this rank if it has been asked to end. Call inside on_all_ranks(), which makes all
/// ranks throw it.
void stop_if_asked();

/// Names what this thread is doing as long as the object lives. A process that is asked to end and does not
/// prints it to show what it is waiting for. `what` must outlive the object.
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
