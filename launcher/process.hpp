// Runs a program to its end, and cleans up the processes that it leaves behind.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/mpirun.hpp"

namespace lockstep {

/// How a program ended.
struct Ending {
  int status = 0;              ///< its exit code, or 128 + the signal that ended it
  int forwarded_signal = 0;    ///< the first signal that was forwarded to it; 0 if none was
  int own_signal = 0;          ///< the signal that ended the program itself; 0 if it exited
  bool never_started = false;  ///< it was ended since the ranks had not started within command.start_seconds
  std::string program = {};    ///< its name
  std::int64_t pid = 0;        ///< its PID
  std::string said = {};       ///< mpirun's own messages, if command.quiet

  /// It crashed, or was killed by someone else.
  bool was_lost() const { return own_signal != 0 && forwarded_signal == 0 && !never_started; }
};

/// Starts `command` in a process group of its own, with empty standard input, and waits for it. SIGINT,
/// SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are forwarded as command.ending_signal; after a second one,
/// or after command.grace_seconds, the program is sent command.killing_signal. If the calling process dies,
/// in whatever way, the program gets SIGTERM. Processes that the program leaves behind are given two seconds
/// to end, and then killed. The output of a relayed command is passed to this process's output for as long
/// as that is read. Throws Error (io) if the program cannot be started.
Ending run_to_end(const Command& command);

}  // namespace lockstep
