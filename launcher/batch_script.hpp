// The batch script of a run, from the templates in slurm/. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

extern const char* const train_template;
extern const char* const seeds_template;

/// What is asked of Slurm, and the command to run.
struct BatchJob {
  std::string name;
  int nodes = 1;
  std::optional<int> gpus_per_node;
  std::optional<int> tasks_per_node;  ///< without GPUs and without it: all cores of the nodes
  std::int64_t cores_per_task = 1;
  std::string time, partition, account;  ///< empty: Slurm's default
  std::vector<std::string> more;         ///< further options of sbatch: "--constraint=h100"
  std::vector<std::int64_t> seeds;       ///< an array with a run for each; empty: one run
  std::optional<int> at_once;            ///< how many runs of an array may run at a time
  bool requeue = true;
  std::optional<int> signal_seconds;  ///< the notice before the time limit; unset: what suits `time`
  std::vector<std::string> setup;     ///< lines of shell before the command
  std::vector<std::string> command;   ///< without --output
  std::string output;                 ///< the run folder; those of an array end in -seed-S
};

/// Of Slurm's "90", "90:00", "2:00:00", "1-12", "1-12:30", "1-12:30:00"; nothing for anything else.
std::optional<std::int64_t> seconds_of_time(const std::string& time);

/// Where the job's output goes, with sbatch's %j or %A_%a.
std::string log_of(const BatchJob& job);

/// The script for sbatch. Throws Error (config) for a time that is none, or that the notice uses up, and for
/// control characters in any text, line breaks among them.
std::string batch_script(const BatchJob& job);

}  // namespace lockstep
