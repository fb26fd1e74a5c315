// From what the user asked for to the command that starts the ranks. Pure functions: nothing here looks at
// the machine.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

/// A program to start: its arguments (argv[0] first), what is added to the environment, and how it is asked
/// to end.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  int ending_signal = SIGTERM;
  double grace_seconds = 10;  ///< after which it is killed
};

/// Everything the command depends on.
struct Launch {
  int ranks = 1;
  int cores = 1;                        ///< logical CPUs that may be used
  bool root = false;                    ///< the effective user is root
  bool verbose = false;                 ///< let mpirun explain what it sees
  std::optional<int> terminal_columns;  ///< set when standard output is a terminal
  std::string worker;                   ///< absolute path of lockstep-worker
  std::vector<std::string> worker_arguments;
};

/// One rank for every `threads_per_rank` cores, at least one.
int default_ranks(int cores, int threads_per_rank);

/// The mpirun command (Open MPI 4.1) that runs the launch.
Command mpirun_command(const Launch& launch);

/// The command as one line for a POSIX shell, its environment in front.
std::string shell_line(const Command& command);

}  // namespace lockstep
