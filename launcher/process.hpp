// Runs one program to its end, and leaves nothing of it behind.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/mpirun.hpp"

namespace lockstep {

/// How a program ended.
struct Ending {
  int status = 0;              ///< its exit code, or 128 + the signal that ended it
  int forwarded_signal = 0;    ///< the first signal that was passed on to it; 0 when there was none
  int own_signal = 0;          ///< the one that ended the program itself; 0 where it left by itself
  bool never_started = false;  ///< the ranks were not there in command.start_seconds, and it was ended
  std::string program = {};    ///< its name
  std::int64_t pid = 0;        ///< its number
  std::string said = {};       ///< of what mpirun said itself, where command.quiet

  /// It was killed or has crashed, and not by us.
  bool was_lost() const { return own_signal != 0 && forwarded_signal == 0 && !never_started; }
};

/// Starts `command` in its own process group, without standard input, and waits for its end. SIGINT, SIGTERM,
/// SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 go on to it as command.ending_signal; a second one, or
/// command.grace_seconds without an end, kills it by command.killing_signal. When the calling process dies,
/// however it dies, the program gets SIGTERM. Every process the program leaves behind is given two
/// seconds to end, and killed before the return. What a relayed command writes goes on to this process's
/// output for as long as that is read. Throws Error with ExitCode::io when it cannot be started.
Ending run_to_end(const Command& command);

}  // namespace lockstep
