#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/error.hpp"
#include "configs/derive.hpp"
#include "launcher/batch_script.hpp"
#include "launcher/commands.hpp"
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
};

std::vector<std::string> command_of(const SubmitOptions& options) {
  std::vector<std::string> command = {fs::read_symlink("/proc/self/exe"), "train", options.settings.config};
  for (const auto& word : set_options(options.settings)) command.push_back(word);
  if (!options.network.empty()) command.insert(command.end(), {"--network", options.network});
  if (options.fresh) command.push_back("--fresh");
  return command;
}

/// The job reads it when Slurm starts it, and again when it is requeued.
void require_lasting_file(const std::string& path) {
  std::error_code none;
  if (!fs::exists(path, none) || fs::is_regular_file(path, none)) return;
  throw Error(ExitCode::config, path + " is not a regular file",
              "the job reads the configuration when Slurm starts it", "write it into a file, and give that");
}

BatchJob job_of(const SubmitOptions& options) {
  require_lasting_file(options.settings.config);
  const auto config = resolve(options.settings).config;
  auto job = options.job;
  if (job.name.empty()) job.name = config.run.name;
  job.output = run_folder(config, job.output);
  job.cores_per_task = options.cores_per_task.value_or(config.distributed.threads_per_rank);
  job.requeue = !options.no_requeue;
  job.command = command_of(options);
  return job;
}

/// The job's id. sbatch reads the script from a file, which it copies.
std::string submit_script(const std::string& script) {
  char path[] = "/tmp/lockstep-submit-XXXXXX";
  const int file = mkstemp(path);
  const bool written = file >= 0 && write(file, script.data(), script.size()) == ssize_t(script.size());
  const int error_number = errno;
  if (file >= 0) close(file);
  const auto answer = written ? output_of({"sbatch", "--parsable", path}) : Output{};
  if (file >= 0) unlink(path);
  if (!written) throw file_error("cannot write the batch script", path, error_number);
  if (answer.status != 0) {
    throw Error(ExitCode::config, "Slurm did not take the job", answer.text,
                "change the options that it names; --dry-run prints the script");
  }
  const auto line = answer.text.substr(0, answer.text.find_last_not_of('\n') + 1);
  const auto last = line.substr(line.rfind('\n') + 1);  // after warnings, if there are any
  return last.substr(0, last.find(';'));                // a cluster's name may follow
}

std::string log_of_job(const BatchJob& job, const std::string& id) {
  auto log = log_of(job);
  const std::string place = job.seeds.empty() ? "%j" : "%A_%a";
  return log.replace(log.rfind(place), place.size(), id + (job.seeds.empty() ? "" : "_*"));
}

void tell(const BatchJob& job, const std::string& id) {
  const auto log = log_of_job(job, id);
  if (!isatty(STDOUT_FILENO)) {
    std::cout << nlohmann::ordered_json{{"event", "submitted"},
                                        {"job", id},
                                        {"log", log},
                                        {"run", job.output},
                                        {"seeds", job.seeds}}
              << "\n";
    return;
  }
  std::cout << "job " << id << ", " << job.name << "\n"
            << "  its output       tail -F " << log << "\n"
            << "  its state        squeue -j " << id << "\n"
            << "  save and end it  scancel --batch --signal=INT " << id << "\n"
            << "  end it at once   scancel " << id << "\n";
}

int submit(const SubmitOptions& options) {
  const auto job = job_of(options);
  const auto script = batch_script(job);
  if (options.dry_run) {
    std::cout << script;
    return 0;
  }
  // sbatch makes no folder for the output, and the job would fail without a word.
  if (const auto folder = fs::path(job.output).parent_path(); !folder.empty()) fs::create_directories(folder);
  tell(job, submit_script(script));
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
      "  lockstep submit my.toml --nodes 4 --gpus-per-node 8 --dry-run\n"
      "A job that Slurm ends before its time goes back to the queue, and on with its run (slurm/README.md).");
  command->callback([options, &status] { status = submit(*options); });
}

}  // namespace lockstep
