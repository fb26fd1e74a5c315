#include "launcher/mpirun.hpp"

#include <algorithm>
#include <cmath>
#include <set>

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
  if (launch.grace_seconds) {
    environment.emplace_back("LOCKSTEP_GRACE_SECONDS", std::to_string(std::lround(*launch.grace_seconds)));
  }
  if (!launch.network.empty()) environment.emplace_back("LOCKSTEP_NETWORK", launch.network);
  if (launch.config_text) environment.emplace_back("LOCKSTEP_CONFIG_TEXT", *launch.config_text);
  if (launch.start_seconds) environment.emplace_back("LOCKSTEP_TELL_START", "1");
  return environment;
}

void set_parameter(std::vector<std::string>& argv, const std::string& name, const std::string& value) {
  argv.insert(argv.end(), {"--mca", name, value});
}

/// How mpirun reaches the other hosts, and over which network they communicate.
void add_hosts(std::vector<std::string>& argv, const Launch& launch) {
  argv.insert(argv.end(), {"--host", in_words(filled(launch.hosts, launch.ranks)), "--map-by", "slot"});
  // Detects a host that vanishes silently within about 4 s; by default mpirun would hang for minutes.
  set_parameter(argv, "oob_tcp_keepalive_time", "1");
  set_parameter(argv, "oob_tcp_keepalive_intvl", "1");
  set_parameter(argv, "oob_tcp_keepalive_probes", "3");
  const std::string rsh = launch.open_mpi == 4 ? "rsh" : "ssh";
  set_parameter(argv, "plm_" + rsh + "_no_tree_spawn", "1");  // only this machine needs to reach the hosts
  // 4.1 compresses lists of hosts in a form that it misreads if a name contains '_', and then waits for
  // ever.
  const auto has_line = [](const Host& host) { return host.name.find('_') != std::string::npos; };
  if (launch.open_mpi == 4 && std::ranges::any_of(launch.hosts, has_line))
    set_parameter(argv, "regx", "naive");
  if (launch.remote_shell.empty()) {
    // No interactive prompts, and no wait of minutes.
    set_parameter(argv, "plm_" + rsh + "_args",
                  "-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=1 -o ServerAliveCountMax=3");
  } else {
    set_parameter(argv, "plm", rsh);
    set_parameter(argv, "plm_" + rsh + "_agent", launch.remote_shell);
  }
  if (launch.network.empty()) return;
  // A network rather than an interface: the names of interfaces differ between hosts.
  set_parameter(argv, "btl_tcp_if_include", launch.network);
  if (launch.open_mpi == 4)
    set_parameter(argv, "oob_tcp_if_include", launch.network);  // 5 does not accept networks here
}

/// Environment variables that are passed to ranks on other hosts, too.
void add_variables(std::vector<std::string>& argv, const Launch& launch, const Command& command) {
  std::set<std::string> names(launch.variables.begin(), launch.variables.end());
  for (const auto& [name, value] : command.environment) {
    if (name.starts_with("LOCKSTEP_")) names.insert(name);
  }
  for (const auto& name : names) argv.insert(argv.end(), {"-x", name});
}

Command mpirun_command(const Launch& launch) {
  Command command;
  command.environment = environment_of(launch);
  std::vector<std::string>& argv = command.argv;
  argv = {"mpirun", "-np", std::to_string(launch.ranks), "--bind-to", "none"};
  if (!launch.hosts.empty()) {
    add_hosts(argv, launch);
  } else if (launch.room_to_share && !launch.other_btl) {
    // Ranks on one machine need no network; by default they would listen on all.
    set_parameter(argv, "pml", "ob1");
    set_parameter(argv, "btl", launch.open_mpi == 4 ? "vader,self" : "sm,self");
  }
  // The number of ranks has been chosen already, so slots are logical CPUs by our count (Open MPI would
  // count physical cores, or what a batch system granted), and oversubscription is allowed.
  argv.insert(argv.end(), {"--use-hwthread-cpus", "--oversubscribe"});
  // A rank that spins while waiting would keep the rank that it waits for from running.
  if (launch.hosts.empty() && launch.ranks > launch.cores) set_parameter(argv, "mpi_yield_when_idle", "1");
  add_variables(argv, launch, command);
  return command;
}

/// The hosts of the ranks, in rank order: "a,a,b".
std::string host_of_each_rank(const std::vector<Host>& hosts) {
  std::string text;
  for (const auto& host : hosts) {
    for (int slot = 0; slot < host.slots; ++slot) text += (text.empty() ? "" : ",") + host.name;
  }
  return text;
}

Command srun_command(const Launch& launch) {
  Command command;
  command.environment = environment_of(launch);
  if (!launch.network.empty())
    command.environment.emplace_back("OMPI_MCA_btl_tcp_if_include", launch.network);
  // With the default tree, Slurm sometimes lets ranks leave MPI_Init before all have entered, and one
  // crashes.
  command.environment.emplace_back("SLURM_PMIX_FENCE", "ring");
  command.killing_signal = SIGTERM;  // srun then kills the ranks; SIGKILL to srun would leave them behind
  const auto hosts = filled(launch.hosts, launch.ranks);
  std::vector<std::string>& argv = command.argv;
  argv = {"srun", "--mpi=pmix", "--nodes=" + std::to_string(hosts.size()),
          "--ntasks=" + std::to_string(launch.ranks)};
  argv.insert(argv.end(), {"--distribution=arbitrary", "--nodelist=" + host_of_each_rank(hosts)});
  // srun does not inherit --cpus-per-task from sbatch; --overlap: a step that is still ending must not block
  // this one.
  argv.insert(argv.end(), {"--cpus-per-task=" + std::to_string(launch.cores_per_rank), "--overlap"});
  // Ranks divide cores and GPUs among themselves, and NCCL needs to see the GPUs of its peers.
  argv.push_back("--cpu-bind=none");
  if (launch.gpus) argv.push_back("--gpu-bind=none");
  argv.insert(argv.end(), {"--kill-on-bad-exit=1", "--export=ALL"});
  if (!launch.verbose) argv.push_back("--quiet");
  return command;
}

}  // namespace

int default_ranks(int gpus, int cores, int threads_per_rank) {
  if (gpus > 0) return gpus;
  return std::max(1, cores / std::max(1, threads_per_rank));
}

Command command_for(const Launch& launch) {
  Command command = launch.starter == Starter::srun ? srun_command(launch) : mpirun_command(launch);
  // mpirun and srun forward this signal, upon which ranks save; on SIGTERM they would kill the ranks.
  command.ending_signal = SIGUSR1;
  command.grace_seconds = std::max(120.0, launch.grace_seconds.value_or(0));
  command.relayed = true;
  command.quiet = !launch.verbose;
  command.start_seconds = launch.start_seconds.value_or(0);
  command.argv.push_back(launch.worker);
  command.argv.insert(command.argv.end(), launch.worker_arguments.begin(), launch.worker_arguments.end());
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
