// The command that starts the ranks, for what the user asked for. Pure functions, independent of the
// machine.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/hosts.hpp"

namespace lockstep {

/// A program to start: its arguments (argv[0] first), additions to the environment, and how to end it.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  int ending_signal = SIGTERM;
  double grace_seconds = 10;     ///< between ending_signal and killing_signal
  int killing_signal = SIGKILL;  ///< sent if the program has not ended by then
  bool relayed = false;          ///< its output passes through this process
  bool quiet = false;            ///< mpirun's own messages are held back
  double start_seconds = 0;      ///< within which the ranks must report their start (if relayed); 0: no limit
};

enum class Starter { mpirun, srun };

/// Everything that the command depends on. To start again on fewer hosts, remove them from `hosts` and lower
/// `ranks`.
struct Launch {
  Starter starter = Starter::mpirun;
  int ranks = 1;
  std::vector<Host> hosts;    ///< in rank order, with room for at least `ranks`; empty: this machine
  int cores = 1;              ///< usable logical CPUs of this machine
  bool root = false;          ///< the effective user is root
  bool verbose = false;       ///< show mpirun's or srun's own messages
  int open_mpi = 4;           ///< the version of mpirun: 4 (for 4.1) or 5
  bool other_btl = false;     ///< the user has chosen Open MPI's transports (BTL or PML)
  bool room_to_share = true;  ///< shared memory is large enough for the ranks of this machine
  std::optional<double> start_seconds = {};  ///< within which the ranks must start; nothing: no limit
  std::optional<int> terminal_columns;       ///< set when standard output is a terminal
  std::string network;                       ///< that hosts are to use: "10.0.0.0/8"; empty: any
  std::string remote_shell;                  ///< instead of ssh, with its options; empty: ssh
  std::vector<std::string> variables = {};   ///< names of environment variables to pass to other hosts
  std::optional<double> grace_seconds;       ///< between Slurm's request to end and its kill
  int cores_per_rank = 1;                    ///< for srun
  bool gpus = false;                         ///< for srun: the ranks compute on the job's GPUs
  std::string worker;                        ///< absolute path of lockstep-worker
  std::vector<std::string> worker_arguments;
  std::optional<std::string> config_text = {};  ///< passed to the ranks as the content of CONFIG
};

/// One rank per GPU; without GPUs one for every `threads_per_rank` cores, and at least one.
int default_ranks(int gpus, int cores, int threads_per_rank);

/// The command that runs the launch: mpirun (of Open MPI 4.1 or 5) or srun.
Command command_for(const Launch& launch);

/// The command as one line for a POSIX shell, preceded by its environment.
std::string shell_line(const Command& command);

}  // namespace lockstep
