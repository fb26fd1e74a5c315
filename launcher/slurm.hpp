// The Slurm job that this process runs in: what it was granted, and what of it the ranks take.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "launcher/hosts.hpp"

namespace lockstep {

/// The value of an environment variable, "" when it is not set.
using Variables = std::function<std::string(const std::string&)>;

std::string environment_variable(const std::string& name);

struct SlurmNode {
  std::string name;
  int tasks = 1;  ///< as many as were asked for on it
  int cores = 1;  ///< logical CPUs of the job on it
};

/// What a job was granted.
struct SlurmJob {
  std::string id;  ///< as scontrol and scancel take it: "17", or "17_2" for one of an array
  std::string partition;
  std::vector<SlurmNode> nodes;
  bool counts_tasks = false;  ///< a number of tasks was asked for
  int gpus_per_node = 0;
  int gpus = 0;             ///< of all nodes; 0: Slurm does not tell
  std::string gpu_kinds;    ///< "h100:2,a100:2" where there are several
  std::string other_parts;  ///< the nodes of the others, where this is one part of a heterogeneous job
  int restarts = 0;         ///< how often it has been requeued
};

/// The job of the variables SLURM_*, on the nodes `names`; nothing outside of a job. Throws Error (config)
/// when they make no sense, and in a step of several tasks, each of which would start a run of its own.
std::optional<SlurmJob> slurm_job(const Variables& variable,
                                  const std::function<std::vector<std::string>(const std::string&)>& names);

/// The same for this process; the names come from `scontrol show hostnames`.
std::optional<SlurmJob> this_slurm_job();

/// What of the job is not used, or may not fit together, in words; `gpus` where the ranks compute on those.
std::vector<std::string> notes_on(const SlurmJob& job, bool gpus);

/// Throws Error (config), with the line to change, where the job's nodes have not as many GPUs each: Slurm
/// does not tell which has how many.
void require_even_gpus(const SlurmJob& job);

/// The room for ranks in a job: one for each GPU (unless `with_gpus` is false), else for each task, else for
/// every `threads_per_rank` cores.
std::vector<Host> room_in(const SlurmJob& job, int threads_per_rank, bool with_gpus);

/// The hosts of `room` that were asked for, all of them when `asked` is empty, with room for `ranks`. Throws
/// Error (config), with the line to change, when the job has not so much.
std::vector<Host> granted_hosts(const SlurmJob& job, std::span<const Host> room, std::span<const Host> asked,
                                std::optional<int> ranks);

/// Cores for each of `ranks` ranks on `hosts`, at least 1: those of a node divided by its ranks.
int cores_per_rank(const SlurmJob& job, std::span<const Host> hosts);

/// True when srun speaks PMIx, without which Open MPI cannot start under it.
bool srun_has_pmix();

}  // namespace lockstep
