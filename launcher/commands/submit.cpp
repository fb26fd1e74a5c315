#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/error.hpp"
#include "configs/derive.hpp"
#include "configs/usual_rates.hpp"
#include "launcher/batch_script.hpp"
#include "launcher/before_submission.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/output_of.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

struct SubmitOptions {
  Settings settings;
  BatchJob job;
  std::optional<std::int64_t> cores_per_task;
  std::string network;
  bool no_requeue = false;
  bool fresh = false;
  bool dry_run = false;
  bool unchecked = false;
};

std::vector<std::string> command_of(const SubmitOptions& options) {
  std::vector<std::string> command = {fs::read_symlink("/proc/self/exe"), "train", options.settings.config};
  for (const auto& word : set_options(options.settings)) command.push_back(word);
  if (!options.network.empty()) command.insert(command.end(), {"--network", options.network});
  if (options.fresh) command.push_back("--fresh");
  return command;
}

/// The job reads the file when Slurm starts it, and again after a requeue.
void require_lasting_file(const std::string& path) {
  std::error_code none;
  if (!fs::exists(path, none) || fs::is_regular_file(path, none)) return;
  throw Error(ExitCode::config, path + " is not a regular file",
              "the job reads the configuration when Slurm starts it", "write it into a file, and give that");
}

/// The run folders: one per seed, or a single one.
std::vector<std::pair<Config, std::string>> runs_of(const BatchJob& job, const Config& config) {
  if (job.seeds.empty()) return {{config, job.output}};
  std::vector<std::pair<Config, std::string>> runs;
  for (const auto seed : job.seeds) {
    runs.emplace_back(config, job.output + "-seed-" + std::to_string(seed));
    runs.back().first.run.seed = seed;
  }
  return runs;
}

BatchJob job_of(const SubmitOptions& options, const Config& config) {
  auto job = options.job;
  if (job.name.empty()) job.name = config.run.name;
  job.output = run_folder(config, job.output);
  job.cores_per_task = options.cores_per_task.value_or(config.distributed.threads_per_rank);
  job.requeue = !options.no_requeue;
  job.command = command_of(options);
  return job;
}

/// Writes the script beside the run folder, where the job's log will be, and returns its path.
std::string keep_script(const std::string& output, const std::string& script) {
  constexpr const char* ending = ".sh";
  // sbatch does not create the folder of the log, and the job would fail silently.
  std::error_code failure;
  if (const auto folder = fs::path(output).parent_path(); !folder.empty())
    fs::create_directories(folder, failure);
  if (failure) throw file_error("cannot create the folder of the run folder", output, failure.value());
  auto path = output + "-XXXXXX" + ending;
  const int file = mkstemps(path.data(), static_cast<int>(std::string(ending).size()));
  const bool written = file >= 0 && write(file, script.data(), script.size()) == ssize_t(script.size());
  const int error_number = errno;
  if (file >= 0) close(file);
  if (written) return path;
  if (file >= 0) unlink(path.c_str());
  throw file_error("cannot write the batch script", path, error_number);
}

/// Submits the script; returns the job's id.
std::string submit_script(const std::string& path) {
  auto answer = output_of({"sbatch", "--parsable", path});
  while (answer.text.ends_with('\n')) answer.text.pop_back();
  if (answer.status != 0) {
    unlink(path.c_str());
    throw Error(ExitCode::config, "Slurm did not take the job", on_one_line_of(answer),
                "change the options that it names; --dry-run prints the script");
  }
  const auto last = answer.text.substr(answer.text.rfind('\n') + 1);  // warnings may precede it
  return last.substr(0, last.find(';'));                              // the name of a cluster may follow
}

std::string log_of_job(const BatchJob& job, const std::string& id) {
  auto log = log_of(job);
  const std::string place = job.seeds.empty() ? "%j" : "%A_%a";
  return log.replace(log.rfind(place), place.size(), id + (job.seeds.empty() ? "" : "_*"));
}

/// Renames the script to RUN-JOB.sh, to match its log, and returns the new path.
std::string name_after_job(const std::string& path, const std::string& output, const std::string& id) {
  const auto name = output + "-" + id + ".sh";
  return std::rename(path.c_str(), name.c_str()) == 0 ? name : path;
}

void tell(const BatchJob& job, const std::string& id, const std::string& script) {
  const auto log = log_of_job(job, id);
  if (!isatty(STDOUT_FILENO)) {
    std::cout << nlohmann::ordered_json{{"event", "submitted"}, {"job", id},         {"log", log},
                                        {"script", script},     {"run", job.output}, {"seeds", job.seeds}}
              << "\n";
    return;
  }
  std::cout << "job " << id << ", " << job.name << "\n"
            << "  its output       tail -F " << log << "\n"
            << "  its script       " << script << "\n"
            << "  its state        squeue -j " << id << "\n"
            << "  save and end it  scancel --batch --signal=INT " << id << "\n"
            << "  end it at once   scancel " << id << "\n";
}

int submit(const SubmitOptions& options) {
  require_lasting_file(options.settings.config);
  const auto resolved = resolve(options.settings);
  const auto job = job_of(options, resolved.config);
  const auto script = batch_script(job);
  for (const auto& warning : unusual_rates(resolved)) std::cerr << "warning: " << warning << "\n";
  if (options.dry_run) {
    std::cout << script;
    return 0;
  }
  if (!options.unchecked) {
    for (const auto& [config, run] : runs_of(job, resolved.config))
      require_ready_for_job(config, run, options.fresh);
  }
  const auto path = keep_script(job.output, script);
  const auto id = submit_script(path);
  tell(job, id, name_after_job(path, job.output, id));
  return 0;
}

void add_resources(CLI::App& command, SubmitOptions& options) {
  auto& job = options.job;
  command.add_option("--nodes", job.nodes, "How many nodes")->check(CLI::PositiveNumber);
  command.add_option("--gpus-per-node", job.gpus_per_node, "GPUs of each node, and as many ranks")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--ntasks-per-node", job.tasks_per_node,
                  "Ranks on each node; by default one for each GPU, or without GPUs all cores of the nodes")
      ->check(CLI::PositiveNumber);
  command.add_option("--cpus-per-task", options.cores_per_task,
                     "Cores for each rank; by default distributed.threads_per_rank");
  command.add_option("--time", job.time, "The time limit, 2:00:00; by default that of the partition")
      ->check(given);
  command.add_option("--partition", job.partition, "The partition")->check(given);
  command.add_option("--account", job.account, "The account that pays")->check(given);
  command
      .add_option("--sbatch", job.more, "Another option of sbatch: --sbatch=--constraint=h100 (repeatable)")
      ->allow_extra_args(false);
}

void add_behaviour(CLI::App& command, SubmitOptions& options) {
  auto& job = options.job;
  command.add_option("--job-name", job.name, "The job's name; by default run.name")->check(given);
  command
      .add_option("--output", job.output,
                  "The run folder; by default runs/NAME; with --seeds, -seed-S follows")
      ->check(given_path);
  command.add_option("--seeds", job.seeds, "A run for each of these seeds, as an array of jobs: 1,2,3")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  command.add_option("--at-once", job.at_once, "How many runs of the array may run at a time")
      ->check(CLI::PositiveNumber);
  command.add_option(
      "--signal-seconds", job.signal_seconds,
      "How long before the time limit the run saves and goes back to the queue; by default 120, "
      "or a quarter of a short limit");
  command.add_flag("--no-requeue", options.no_requeue, "The job ends at its time limit for good");
  command.add_flag("--fresh", options.fresh, "Start over in a new folder, and keep the old one");
  command.add_option("--network", options.network, "The network the hosts speak over, 10.0.0.0/8")
      ->check(given);
  command
      .add_option("--setup", job.setup,
                  "A line of shell before the run: --setup 'module load cuda' (repeatable)")
      ->allow_extra_args(false)
      ->check(given);
  command.add_flag("--unchecked", options.unchecked,
                   "Submit although this host does not see the data, or another plan lies in the run folder");
  command.add_flag("--dry-run", options.dry_run, "Print the batch script, and submit nothing");
}

}  // namespace

void add_submit(CLI::App& app, int& status) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Train as a batch job of Slurm");
  add_settings(*command, options->settings);
  add_resources(*command, *options);
  add_behaviour(*command, *options);
  command->footer(
      "Examples:\n"
      "  lockstep submit my.toml --nodes 4 --gpus-per-node 8 --time 2:00:00\n"
      "  lockstep submit my.toml --nodes 2 --ntasks-per-node 32 --time 1-00:00:00 --partition batch\n"
      "  lockstep submit my.toml --nodes 1 --gpus-per-node 8 --seeds 1,2,3 --at-once 2\n"
      "  lockstep submit my.toml --nodes 4 --gpus-per-node 8 --setup 'module load cuda' --dry-run\n"
      "The script is kept beside the run folder, as RUN-JOB.sh.\n"
      "A job that Slurm ends before its time goes back to the queue, and on with its run (slurm/README.md).");
  command->callback([options, &status] { status = submit(*options); });
}

}  // namespace lockstep
