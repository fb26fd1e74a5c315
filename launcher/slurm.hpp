// The Slurm job that this process runs in: its resources, and which of them the ranks use.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "launcher/hosts.hpp"

namespace lockstep {

/// Returns the value of an environment variable, "" if it is not set.
using Variables = std::function<std::string(const std::string&)>;

std::string environment_variable(const std::string& name);

struct SlurmNode {
  std::string name;
  int tasks = 1;  ///< requested on this node
  int cores = 1;  ///< logical CPUs that the job has on it
};

/// The resources that a job was granted.
struct SlurmJob {
  std::string id;  ///< for scontrol and scancel: "17", or "17_2" in a job array
  std::string partition;
  std::vector<SlurmNode> nodes;
  bool counts_tasks = false;  ///< the job has asked for a number of tasks
  int gpus_per_node = 0;
  int gpus = 0;             ///< on all nodes; 0: unknown
  std::string gpu_kinds;    ///< "h100:2,a100:2" if there are several
  std::string other_parts;  ///< the nodes of the other parts of a heterogeneous job
  int restarts = 0;         ///< how often the job has been requeued
};

/// The job described by the variables SLURM_*; `names` expands its node list. Nothing outside of a job.
/// Throws Error (config) if the variables are inconsistent, and within a step of several tasks, each of
/// which would start a run of its own.
std::optional<SlurmJob> slurm_job(const Variables& variable,
                                  const std::function<std::vector<std::string>(const std::string&)>& names);

/// The same for this process; the names come from `scontrol show hostnames`.
std::optional<SlurmJob> this_slurm_job();

/// Notes on resources of the job that stay unused or may not fit together; `gpus`: the ranks compute on
/// GPUs.
std::vector<std::string> notes_on(const SlurmJob& job, bool gpus);

/// Throws Error (config), with the line to change, if the nodes have different numbers of GPUs: Slurm does
/// not tell how many each has.
void require_even_gpus(const SlurmJob& job);

/// The ranks that the job has room for: one per GPU (unless `with_gpus` is false), or else per task, or else
/// per `threads_per_rank` cores.
std::vector<Host> room_in(const SlurmJob& job, int threads_per_rank, bool with_gpus);

/// The hosts of `room` that were asked for (all if `asked` is empty), with room for `ranks`. Throws Error
/// (config), with the line to change, if the job does not have that much.
std::vector<Host> granted_hosts(const SlurmJob& job, std::span<const Host> room, std::span<const Host> asked,
                                std::optional<int> ranks);

/// Cores per rank, at least 1: the smallest share that a rank on `hosts` gets of its node.
int cores_per_rank(const SlurmJob& job, std::span<const Host> hosts);

/// Whether srun supports PMIx, which Open MPI needs to start under it.
bool srun_has_pmix();

}  // namespace lockstep
