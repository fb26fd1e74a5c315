#include "launcher/mpirun.hpp"

#include <algorithm>

namespace lockstep {
namespace {

std::string quoted(const std::string& word) {
  const std::string plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::vector<std::pair<std::string, std::string>> environment_of(const Launch& launch) {
  std::vector<std::pair<std::string, std::string>> environment;
  if (launch.root) {
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT", "1");
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
  environment.emplace_back("LOCKSTEP_PROGRESS", launch.terminal_columns ? "bar" : "json");
  if (launch.terminal_columns) {
    environment.emplace_back("LOCKSTEP_COLUMNS", std::to_string(*launch.terminal_columns));
  }
  return environment;
}

}  // namespace

int default_ranks(int cores, int threads_per_rank) {
  return std::max(1, cores / std::max(1, threads_per_rank));
}

Command mpirun_command(const Launch& launch) {
  Command command;
  command.environment = environment_of(launch);
  // mpirun passes this one on and lets the ranks save what they have; on SIGTERM it would kill them a second
  // later.
  command.ending_signal = SIGUSR1;
  command.grace_seconds = 120;
  std::vector<std::string>& argv = command.argv;
  argv = {"mpirun", "-np", std::to_string(launch.ranks), "--bind-to", "none"};
  // The number of ranks is decided here, so slots are logical CPUs as they are counted here (Open MPI counts
  // physical cores, or what a batch system granted), and more ranks than that are permitted.
  argv.insert(argv.end(), {"--use-hwthread-cpus", "--oversubscribe"});
  // A rank that spins while it waits would keep the rank it waits for from running.
  if (launch.ranks > launch.cores) argv.insert(argv.end(), {"--mca", "mpi_yield_when_idle", "1"});
  // The ranks say themselves what went wrong; mpirun's banners about it would bury that.
  if (!launch.verbose) argv.push_back("--quiet");
  for (const auto& [name, value] : command.environment) {
    if (name.starts_with("LOCKSTEP_")) argv.insert(argv.end(), {"-x", name});
  }
  argv.push_back(launch.worker);
  argv.insert(argv.end(), launch.worker_arguments.begin(), launch.worker_arguments.end());
  return command;
}

std::string shell_line(const Command& command) {
  std::string line;
  for (const auto& [name, value] : command.environment) line += name + "=" + quoted(value) + " ";
  for (const std::string& word : command.argv) line += quoted(word) + " ";
  if (!line.empty()) line.pop_back();
  return line;
}

}  // namespace lockstep
