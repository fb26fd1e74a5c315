#include "launcher/launch.hpp"

#include <unistd.h>

#include <cstring>
#include <iostream>

#include "launcher/machine.hpp"
#include "launcher/mpirun.hpp"
#include "launcher/process.hpp"

namespace lockstep {
namespace {

/// One line on standard error for the endings of which the ranks could not speak themselves.
void report(const Ending& ending, bool verbose) {
  if (ending.forwarded_signal != 0) {
    std::cerr << "lockstep: stopped by " << strsignal(ending.forwarded_signal)
              << "; the same command goes on from the newest checkpoint\n";
  } else if (ending.status > 128) {
    std::cerr << "lockstep: a rank was ended by signal " << ending.status - 128 << " ("
              << strsignal(ending.status - 128) << "); the same command goes on from the newest checkpoint\n";
  } else if (ending.status == 1 && !verbose) {
    std::cerr << "lockstep: the run ended with exit code 1; if nothing above says why, "
                 "--verbose lets mpirun explain\n";
  }
}

}  // namespace

void add_launch_options(CLI::App& command, LaunchOptions& options) {
  command
      .add_option(
          "--ranks", options.ranks,
          "How many ranks to start; by default one for every distributed.threads_per_rank usable cores")
      ->check(CLI::Range(1, 1 << 20));
  command.add_flag("--dry-run", options.dry_run, "Print the command that would start the ranks, and end");
  command.add_flag("--verbose", options.verbose, "Let mpirun explain what it does with failing ranks");
}

int launch_worker(const LaunchOptions& options, std::int64_t threads_per_rank,
                  std::vector<std::string> arguments) {
  Launch launch;
  launch.cores = usable_cores();
  launch.ranks = options.ranks.value_or(default_ranks(launch.cores, threads_per_rank));
  launch.root = geteuid() == 0;
  launch.verbose = options.verbose;
  launch.terminal_columns = terminal_columns();
  launch.worker = program_beside_this("lockstep-worker");
  launch.worker_arguments = std::move(arguments);
  const Command command = mpirun_command(launch);
  if (options.dry_run) {
    std::cout << shell_line(command) << "\n";
    return 0;
  }
  require_mpirun();
  if (launch.root)
    std::cerr << "lockstep: running as root, which Open MPI is told to allow (OMPI_ALLOW_RUN_AS_ROOT)\n";
  const Ending ending = run_to_end(command);
  report(ending, options.verbose);
  return ending.forwarded_signal != 0 && ending.status != 0 ? 128 + ending.forwarded_signal : ending.status;
}

}  // namespace lockstep
