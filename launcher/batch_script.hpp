// The batch script of a run, from the templates in slurm/. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

extern const char* const train_template;
extern const char* const seeds_template;

/// The resources to ask Slurm for, and the command to run.
struct BatchJob {
  std::string name;
  int nodes = 1;
  std::optional<int> gpus_per_node;
  std::optional<int> tasks_per_node;  ///< without it and without GPUs: all cores of the nodes
  std::int64_t cores_per_task = 1;
  std::string time, partition, account;  ///< empty: Slurm's default
  std::vector<std::string> more;         ///< further options of sbatch, such as "--constraint=h100"
  std::vector<std::int64_t> seeds;       ///< a job array with one run for each; empty: a single run
  std::optional<int> at_once;            ///< how many runs of an array may run at a time
  bool requeue = true;
  std::optional<int> signal_seconds;  ///< the notice before the time limit; unset: chosen by `time`
  std::vector<std::string> setup;     ///< shell commands to run first
  std::vector<std::string> command;   ///< without --output
  std::string output;                 ///< the run folder; in an array each gets the suffix -seed-S
};

/// Seconds of a time limit in Slurm's forms "90", "90:00", "2:00:00", "1-12", "1-12:30" and "1-12:30:00";
/// nothing for anything else.
std::optional<std::int64_t> seconds_of_time(const std::string& time);

/// The job's log, with %j or %A_%a as sbatch expands them.
std::string log_of(const BatchJob& job);

/// The script for sbatch. Throws Error (config) for an invalid time, one that is not longer than the notice,
/// and for control characters in any text, including line breaks.
std::string batch_script(const BatchJob& job);

}  // namespace lockstep
