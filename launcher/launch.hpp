// What `train` and `eval` share: the options of a launch, and the launch itself.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/mpirun.hpp"
#include "launcher/slurm.hpp"
#include "launcher/supervisor.hpp"

namespace lockstep {

struct LaunchOptions {
  std::optional<int> ranks;
  std::string hosts;                            ///< of --hosts
  std::string hostfile;                         ///< a path
  std::string network;                          ///< "10.0.0.0/8"
  std::string remote_shell;                     ///< instead of ssh; empty: $LOCKSTEP_RSH, else ssh
  std::string starter;                          ///< "mpirun" or "srun"; empty: what fits
  std::string device = "auto";                  ///< distributed.device
  std::optional<std::string> config_text = {};  ///< of the configuration, as it was read and checked
  double start_seconds = 600;                   ///< in which the ranks must be there
  bool dry_run = false;
  bool verbose = false;
};

void add_launch_options(CLI::App& command, LaunchOptions& options);

/// The launch of lockstep-worker with these arguments: on the hosts of the options, in Slurm's `job`, or on
/// this machine. Throws Error (config), with the line to change, when options and job do not fit.
Launch launch_for(const LaunchOptions& options, const std::optional<SlurmJob>& job,
                  std::int64_t threads_per_rank, std::vector<std::string> arguments);

/// Runs the launch for these options and this process's job, or only prints how. Returns the exit status for
/// this program: the failing rank's, or 128 + the signal that ended the run. A run that Slurm ends before its
/// time has its job requeued; one that loses a rank or a host is started again as `supervision` says.
int launch_worker(const LaunchOptions& options, std::int64_t threads_per_rank,
                  std::vector<std::string> arguments, Supervision supervision = {});

}  // namespace lockstep
