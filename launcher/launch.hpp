// Launching the worker: the options that commands share, and the launch itself.
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
  std::string hosts;                            ///< --hosts
  std::string hostfile;                         ///< a path
  std::string network;                          ///< "10.0.0.0/8"
  std::string remote_shell;                     ///< instead of ssh; empty: $LOCKSTEP_RSH, or else ssh
  std::string starter;                          ///< "mpirun" or "srun"; empty: chosen by the job
  std::string device = "auto";                  ///< distributed.device
  std::optional<std::string> config_text = {};  ///< the configuration as it was read and checked
  double start_seconds = 600;                   ///< within which all ranks must have started
  bool dry_run = false;
  bool verbose = false;
};

void add_launch_options(CLI::App& command, LaunchOptions& options);

/// The launch of lockstep-worker with these arguments: on the hosts of the options, in Slurm's `job`, or on
/// this machine. Throws Error (config), with the line to change, if options and job contradict one another.
Launch launch_for(const LaunchOptions& options, const std::optional<SlurmJob>& job,
                  std::int64_t threads_per_rank, std::vector<std::string> arguments);

/// Runs the launch for these options and this process's Slurm job, or only prints the command. Returns the
/// exit status for this program: that of the failing rank, or 128 + the signal that ended the run. If Slurm
/// ends the run early, its job is requeued; after the loss of a rank or a host the run is started again as
/// `supervision` says.
int launch_worker(const LaunchOptions& options, std::int64_t threads_per_rank,
                  std::vector<std::string> arguments, Supervision supervision = {});

}  // namespace lockstep
