// What `train` and `eval` share: the options of a launch, and the launch itself.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

struct LaunchOptions {
  std::optional<int> ranks;
  bool dry_run = false;
  bool verbose = false;
};

void add_launch_options(CLI::App& command, LaunchOptions& options);

/// Runs lockstep-worker with these arguments under mpirun, or only prints how. Returns the exit status for
/// this program: the failing rank's, or 128 + the signal that ended the run.
int launch_worker(const LaunchOptions& options, std::int64_t threads_per_rank,
                  std::vector<std::string> arguments);

}  // namespace lockstep
