// From what the user asked for to the command that starts the ranks. Pure functions: nothing here looks at
// the machine.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/hosts.hpp"

namespace lockstep {

/// A program to start: its arguments (argv[0] first), what is added to the environment, and how it is asked
/// to end.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  int ending_signal = SIGTERM;
  double grace_seconds = 10;     ///< after which it is killed
  int killing_signal = SIGKILL;  ///< by this
  bool relayed = false;          ///< what it writes goes through this process
  bool quiet = false;            ///< what mpirun says itself is kept from that
  double start_seconds = 0;      ///< in which the ranks must be there, as they tell when relayed; 0: whenever
};

enum class Starter { mpirun, srun };

/// Everything the command depends on. To start again on fewer hosts, take them out of `hosts` and lower
/// `ranks`.
struct Launch {
  Starter starter = Starter::mpirun;
  int ranks = 1;
  std::vector<Host> hosts;  ///< room for the ranks, in rank order, for at least `ranks`; empty: this machine
  int cores = 1;            ///< logical CPUs of this machine that may be used
  bool root = false;        ///< the effective user is root
  bool verbose = false;     ///< let mpirun or srun explain what it sees
  int open_mpi = 4;         ///< 4 (for 4.1) or 5: whose mpirun it is
  bool other_btl = false;   ///< the user says how Open MPI is to pass messages
  bool room_to_share = true;  ///< shared memory is large enough for the messages of this machine's ranks
  std::optional<double> start_seconds = {};  ///< in which the ranks must be there; nothing: as for a shell
  std::optional<int> terminal_columns;       ///< set when standard output is a terminal
  std::string network;                       ///< hosts speak over it: "10.0.0.0/8"; empty: over any
  std::string remote_shell;                  ///< instead of ssh, with its options; empty: ssh
  std::vector<std::string> variables = {};   ///< names of those of the environment that go to other hosts
  std::optional<double> grace_seconds;       ///< between the request to end and the kill by Slurm
  int cores_per_rank = 1;                    ///< for srun
  bool gpus = false;                         ///< for srun: the ranks compute on the job's GPUs
  std::string worker;                        ///< absolute path of lockstep-worker
  std::vector<std::string> worker_arguments;
  std::optional<std::string> config_text = {};  ///< what the ranks take for the content of CONFIG
};

/// One rank for each GPU; where there is none, one for every `threads_per_rank` cores, at least one.
int default_ranks(int gpus, int cores, int threads_per_rank);

/// The command that runs the launch: mpirun (of Open MPI 4.1 or 5) or srun.
Command command_for(const Launch& launch);

/// The command as one line for a POSIX shell, its environment in front.
std::string shell_line(const Command& command);

}  // namespace lockstep
