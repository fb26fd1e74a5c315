#include "launcher/launch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <thread>
#include <variant>

#include "common/cpu_quota.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/proc_stat.hpp"
#include "common/visible_gpus.hpp"
#include "configs/file.hpp"
#include "launcher/ending_report.hpp"
#include "launcher/machine.hpp"
#include "launcher/open_files.hpp"
#include "launcher/open_mpi.hpp"
#include "launcher/preemption.hpp"
#include "launcher/process.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

/// Environment variables of this process that ranks on other hosts need, too; the launch adds its own.
std::vector<std::string> variables_for_ranks() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry; ++entry) {
    const std::string name(*entry, std::strcspn(*entry, "="));
    if (name.starts_with("LOCKSTEP_") || name.starts_with("NCCL_") || name.starts_with("ATEN_"))
      names.push_back(name);
  }
  return names;
}

std::string text_of_hostfile(const std::string& path) {
  const auto content = read_small_file(path);
  if (const auto* problem = std::get_if<Problem>(&content))
    throw Error(ExitCode::io, "cannot read the hostfile " + path, problem->why, problem->suggestion);
  return std::get<std::string>(content);
}

std::vector<Host> hosts_asked_for(const LaunchOptions& options) {
  if (!options.hostfile.empty()) return parse_hostfile(text_of_hostfile(options.hostfile), options.hostfile);
  return options.hosts.empty() ? std::vector<Host>{} : parse_hosts(options.hosts);
}

void require_network_address(const std::string& network) {
  if (network.find_first_not_of("0123456789./,") == std::string::npos) return;
  throw Error(ExitCode::config, "--network " + network + " is no network",
              "names of interfaces differ between hosts, networks do not",
              "give its address, such as --network 10.0.0.0/8 (`ip -brief address` shows it)");
}

int ranks_over_ssh(const LaunchOptions& options, const std::vector<Host>& hosts) {
  const int slots = total_slots(hosts);
  if (options.ranks.value_or(slots) <= slots) return options.ranks.value_or(slots);
  throw Error(ExitCode::config, "--ranks " + std::to_string(*options.ranks) + " is more than the hosts take",
              in_words(hosts) + " have room for " + std::to_string(slots),
              "leave --ranks out, or raise the numbers behind the hosts' names");
}

/// The number of GPUs of this machine that ranks may use.
int gpus_here(const LaunchOptions& options) {
#ifdef LOCKSTEP_WITH_CUDA
  if (options.device != "cpu")
    return visible_gpus(gpu_device_files(device_folder()).usable, cuda_visible_devices());
#endif
  return 0;
}

/// A host without a number takes one rank, which leaves GPUs idle if the hosts are like this machine.
void note_idle_gpus(const LaunchOptions& options) {
  const int gpus = gpus_here(options);
  if (gpus < 2 || options.hosts.empty() || options.hosts.find(':') != std::string::npos) return;
  std::cerr << "lockstep: one rank on each host, as --hosts " << options.hosts << " has no numbers; for "
            << gpus << " GPUs, as this machine has, write HOST:" << gpus << "\n";
}

/// Explains why cores stay idle: a quota is easily overlooked.
void note_quota(const LaunchOptions& options, const Launch& launch) {
  const auto quota = cpu_quota();
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  if (options.ranks || gpus_here(options) > 0 || !quota || *quota >= cores || launch.cores < *quota) return;
  std::cerr << "lockstep: starting " << launch.ranks << (launch.ranks == 1 ? " rank" : " ranks")
            << ", as the control group leaves " << *quota << " of " << cores << " cores to this process\n";
}

/// The part of a launch that is determined by Slurm's job.
void take_from_job(Launch& launch, const LaunchOptions& options, const SlurmJob& job, int threads_per_rank) {
  if (options.device != "cpu") require_even_gpus(job);
  const bool gpus = options.device != "cpu" && job.gpus_per_node > 0;
  if (options.device == "cuda" && !gpus) {
    throw Error(ExitCode::config, "distributed.device = \"cuda\", and job " + job.id + " has no GPUs", "",
                "ask Slurm for them: #SBATCH --gpus-per-node=8, or set distributed.device = \"cpu\"");
  }
  for (const auto& note : notes_on(job, gpus)) std::cerr << "lockstep: " << note << "\n";
  const auto room = room_in(job, threads_per_rank, gpus);
  launch.hosts = granted_hosts(job, room, hosts_asked_for(options), options.ranks);
  launch.ranks = options.ranks.value_or(total_slots(launch.hosts));
  launch.cores_per_rank = cores_per_rank(job, filled(launch.hosts, launch.ranks));
  launch.gpus = gpus;
  launch.grace_seconds = grace_seconds(job);
  const bool by_srun = options.starter.empty() ? srun_has_pmix() : options.starter == "srun";
  launch.starter = by_srun ? Starter::srun : Starter::mpirun;
}

}  // namespace

void add_launch_options(CLI::App& command, LaunchOptions& options) {
  command
      .add_option("--ranks", options.ranks,
                  "How many ranks to start; by default one for each GPU or task of Slurm's job, as many as "
                  "--hosts says, one for each GPU of this machine, or where it has none one for every "
                  "distributed.threads_per_rank usable cores")
      ->check(CLI::Range(1, 1 << 20));
  auto* hosts = command
                    .add_option("--hosts", options.hosts,
                                "Hosts and their ranks, a:8,b:8: started over ssh, or a part of Slurm's job")
                    ->check(given);
  command.add_option("--hostfile", options.hostfile, "The same in a file, a line for each: a slots=8")
      ->excludes(hosts)
      ->check(given_path);
  command
      .add_option("--network", options.network,
                  "The network the hosts speak over, 10.0.0.0/8; by default all that they share")
      ->check(given);
  command
      .add_option("--rsh", options.remote_shell,
                  "The remote shell instead of ssh, with its options; by default $LOCKSTEP_RSH")
      ->check(given_path);
  command
      .add_option("--starter", options.starter,
                  "In Slurm's job: srun, the default where it has PMIx, or mpirun")
      ->check(CLI::IsMember({"srun", "mpirun"}));
  command.add_flag("--dry-run", options.dry_run, "Print the command that would start the ranks, and end");
  command.add_flag("--verbose", options.verbose,
                   "Let mpirun or srun explain what it does with failing ranks");
}

/// All starts of this launch share the name: the lock of a run folder that an earlier start has left behind
/// is thus known to be stale.
void name_this_launch() {
  const auto process = read_proc_stat(folder_of_process(getpid()));
  const auto name =
      host_name() + ":" + std::to_string(getpid()) + ":" + std::to_string(process ? process->start_ticks : 0);
  setenv("LOCKSTEP_LAUNCH", name.c_str(), 1);
}

/// The time limit for the start. Loading LibTorch from a file system that many hosts read at once may take
/// minutes, however short the timeout of collectives is.
double start_limit(const LaunchOptions& options) {
  constexpr double usual = 600;
  if (const auto given = environment_variable("LOCKSTEP_START_SECONDS"); !given.empty()) {
    char* end = nullptr;
    const double seconds = std::strtod(given.c_str(), &end);
    if (*end == '\0' && seconds > 0) return seconds;
    throw Error(ExitCode::config, "LOCKSTEP_START_SECONDS = " + given + " is no time",
                "it says for how long the ranks may take to start",
                "give seconds, such as 1200, or unset it");
  }
  return std::max(usual, options.start_seconds);
}

Launch launch_for(const LaunchOptions& options, const std::optional<SlurmJob>& job,
                  std::int64_t threads_per_rank, std::vector<std::string> arguments) {
  require_network_address(options.network);
  Launch launch;
  launch.cores = usable_cores();
  launch.root = geteuid() == 0;
  launch.verbose = options.verbose;
  launch.other_btl =
      !environment_variable("OMPI_MCA_btl").empty() || !environment_variable("OMPI_MCA_pml").empty();
  launch.terminal_columns = terminal_columns();
  launch.network = options.network;
  launch.remote_shell =
      options.remote_shell.empty() ? environment_variable("LOCKSTEP_RSH") : options.remote_shell;
  launch.variables = variables_for_ranks();
  launch.worker = program_beside_this("lockstep-worker");
  launch.worker_arguments = std::move(arguments);
  if (!options.dry_run) {  // whoever copies the printed command has the file
    launch.config_text = options.config_text;
    launch.start_seconds = start_limit(options);
  }
  if (job) {
    take_from_job(launch, options, *job, static_cast<int>(threads_per_rank));
  } else if (launch.hosts = hosts_asked_for(options); !launch.hosts.empty()) {
    launch.ranks = ranks_over_ssh(options, launch.hosts);
    note_idle_gpus(options);
  } else {
    launch.ranks = options.ranks.value_or(default_ranks(gpus_here(options), launch.cores, threads_per_rank));
    note_quota(options, launch);
    launch.room_to_share = has_room_to_share(launch.ranks);
  }
  if (launch.starter == Starter::mpirun && !options.dry_run) launch.open_mpi = open_mpi_in_path();
  return launch;
}

int launch_worker(const LaunchOptions& options, std::int64_t threads_per_rank,
                  std::vector<std::string> arguments, Supervision supervision) {
  leave_outer_mpirun();
  name_this_launch();
  const auto job = this_slurm_job();
  Launch launch = launch_for(options, job, threads_per_rank, std::move(arguments));
  if (options.dry_run) {
    try {
      if (launch.starter == Starter::mpirun) launch.open_mpi = open_mpi_in_path();
    } catch (const Error& error) {  // another machine may be meant to run the command
      std::cerr << "lockstep: " << error.what() << "; the command is as Open MPI 4.1 takes it\n";
    }
    std::cout << shell_line(command_for(launch)) << "\n";
    return 0;
  }
  require_open_files(launch.hosts.empty() ? launch.ranks : static_cast<int>(launch.hosts.size()));
  if (launch.root)
    std::cerr << "lockstep: running as root, which Open MPI is told to allow (OMPI_ALLOW_RUN_AS_ROOT)\n";
  supervision.for_people = launch.terminal_columns.has_value();
  const Ending ending = supervise(launch, supervision);
  if (ending.never_started) {
    report_no_start(launch, ending);
    return static_cast<int>(ExitCode::peer_lost);
  }
  report_ending(ending, launch);
  const bool stopped = ending.forwarded_signal != 0 && ending.status != 0;
  const int status = stopped ? 128 + ending.forwarded_signal : ending.status;
  if (is_mpiruns_own(status)) return static_cast<int>(ExitCode::peer_lost);
  if (job && status > 128) requeue_if_preempted(*job, status - 128);
  return status;
}

}  // namespace lockstep
