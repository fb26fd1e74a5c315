#include "launcher/slurm.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "common/error.hpp"
#include "launcher/output_of.hpp"

namespace lockstep {
namespace {

constexpr const char* hosts_variable = "SLURM_JOB_NODELIST";

int number_of(const Variables& variable, const std::string& name, int otherwise) {
  const auto text = variable(name);
  return text.empty() ? otherwise : std::atoi(text.c_str());
}

/// "h100:8" and "8" are 8, "h100:2,a100:2" is 4.
int count_of(const std::string& gpus) {
  int count = 0;
  std::istringstream kinds(gpus);
  for (std::string kind; std::getline(kinds, kind, ',');)
    count += std::atoi(kind.substr(kind.rfind(':') + 1).c_str());
  return count;
}

/// The nodes of all parts of a heterogeneous job except the first, which the job's other variables describe.
std::string other_parts_of(const Variables& variable) {
  std::string nodes;
  for (int part = 1; part < number_of(variable, "SLURM_HET_SIZE", 1); ++part) {
    const auto more = variable("SLURM_JOB_NODELIST_HET_GROUP_" + std::to_string(part));
    nodes += (nodes.empty() ? "" : ", ") + (more.empty() ? "part " + std::to_string(part) : more);
  }
  return nodes;
}

int gpus_per_node_of(const Variables& variable, int nodes) {
  if (const auto gpus = variable("SLURM_GPUS_PER_NODE"); !gpus.empty()) return count_of(gpus);
  if (const auto gpus = variable("SLURM_GPUS_ON_NODE"); !gpus.empty()) return count_of(gpus);
  if (const auto gpus = variable("SLURM_GPUS"); !gpus.empty()) return count_of(gpus) / std::max(1, nodes);
  return 0;
}

void refuse_many_tasks(const Variables& variable) {
  const int tasks = number_of(variable, "SLURM_STEP_NUM_TASKS", 1);
  if (tasks <= 1) return;
  throw Error(ExitCode::config, "srun has started lockstep " + std::to_string(tasks) + " times",
              "each would start all the ranks", "leave srun out: lockstep calls it itself");
}

/// The counts in `text`, one for each of `nodes`; `otherwise` for missing ones.
std::vector<int> counts_for(const std::string& text, std::size_t nodes, int otherwise) {
  auto counts = parse_counts(text);
  counts.resize(nodes, otherwise);
  return counts;
}

std::vector<std::string> host_names(const std::string& list) {
  const auto answer = output_of({"scontrol", "show", "hostnames", list});
  std::istringstream words(answer.text);
  std::vector<std::string> names;
  for (std::string word; words >> word;) names.push_back(word);
  if (answer.status == 0 && !names.empty()) return names;
  throw Error(ExitCode::config, "cannot tell which hosts Slurm's job has",
              "scontrol: " + on_one_line_of(answer),
              std::string("check SLURM_JOB_ID and ") + hosts_variable +
                  ", or unset SLURM_JOB_ID to train on this machine");
}

std::string with(int count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// "job 17 has 2 tasks (a:1,b:1)".
std::string grant_of(const SlurmJob& job, std::span<const Host> room) {
  const auto unit = job.gpus_per_node > 0 ? "GPU" : job.counts_tasks ? "task" : "rank";
  return "job " + job.id + " has room for " + with(total_slots(room), unit) + ": " + in_words(room);
}

std::string to_ask_for(const SlurmJob& job, int ranks) {
  if (job.gpus_per_node == 0) return "#SBATCH --ntasks=" + std::to_string(ranks);
  const int nodes = (ranks + job.gpus_per_node - 1) / job.gpus_per_node;
  return "#SBATCH --nodes=" + std::to_string(nodes);
}

}  // namespace

std::string environment_variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value ? value : "";
}

std::optional<SlurmJob> slurm_job(const Variables& variable,
                                  const std::function<std::vector<std::string>(const std::string&)>& names) {
  SlurmJob job;
  job.id = variable("SLURM_JOB_ID");
  if (job.id.empty()) return std::nullopt;
  refuse_many_tasks(variable);
  if (const auto array = variable("SLURM_ARRAY_JOB_ID"); !array.empty())
    job.id = array + "_" + variable("SLURM_ARRAY_TASK_ID");
  const auto hosts = names(variable(hosts_variable));
  const auto tasks = counts_for(variable("SLURM_TASKS_PER_NODE"), hosts.size(), 1);
  const auto cores = counts_for(variable("SLURM_JOB_CPUS_PER_NODE"), hosts.size(), 1);
  for (std::size_t i = 0; i < hosts.size(); ++i) job.nodes.push_back({hosts[i], tasks[i], cores[i]});
  job.partition = variable("SLURM_JOB_PARTITION");
  job.counts_tasks = !variable("SLURM_NTASKS").empty() || !variable("SLURM_NTASKS_PER_NODE").empty();
  job.gpus_per_node = gpus_per_node_of(variable, static_cast<int>(hosts.size()));
  // If tasks per node were requested, SLURM_NTASKS may be left over from an outer allocation.
  if (variable("SLURM_GPUS_PER_NODE").empty()) job.gpus = count_of(variable("SLURM_GPUS"));
  for (const char* name : {"SLURM_GPUS_PER_NODE", "SLURM_GPUS"}) {
    if (const auto gpus = variable(name); job.gpu_kinds.empty() && gpus.find(',') != std::string::npos)
      job.gpu_kinds = gpus;
  }
  job.other_parts = other_parts_of(variable);
  job.restarts = number_of(variable, "SLURM_RESTART_COUNT", 0);
  return job;
}

std::optional<SlurmJob> this_slurm_job() { return slurm_job(environment_variable, host_names); }

std::vector<std::string> notes_on(const SlurmJob& job, bool gpus) {
  std::vector<std::string> notes;
  if (!job.other_parts.empty())
    notes.push_back("job " + job.id + " is heterogeneous, and the run takes its first part alone; idle are " +
                    job.other_parts + ": ask for all nodes in one part (#SBATCH without hetjob)");
  if (gpus && !job.gpu_kinds.empty())
    notes.push_back("job " + job.id + " has GPUs of several kinds (" + job.gpu_kinds +
                    "), and the ranks refuse those that come to other bits: ask for one kind");
  return notes;
}

void require_even_gpus(const SlurmJob& job) {
  const int nodes = static_cast<int>(job.nodes.size());
  if (nodes == 0 || job.gpus % nodes == 0) return;
  const int each = (job.gpus + nodes - 1) / nodes;
  throw Error(ExitCode::config,
              "job " + job.id + " has " + with(job.gpus, "GPU") + " on " + with(nodes, "node") +
                  ", which do not divide",
              "Slurm does not tell how many each has, and some would be left idle",
              "ask for as many on each: #SBATCH --gpus-per-node=" + std::to_string(each));
}

std::vector<Host> room_in(const SlurmJob& job, int threads_per_rank, bool with_gpus) {
  std::vector<Host> room;
  for (const auto& node : job.nodes) {
    int slots = std::max(1, node.cores / std::max(1, threads_per_rank));
    if (job.counts_tasks) slots = node.tasks;
    if (with_gpus && job.gpus_per_node > 0) slots = job.gpus_per_node;
    if (slots > 0) room.push_back({node.name, slots});
  }
  return room;
}

std::vector<Host> granted_hosts(const SlurmJob& job, std::span<const Host> room, std::span<const Host> asked,
                                std::optional<int> ranks) {
  std::vector<Host> hosts(room.begin(), room.end());
  if (!asked.empty()) hosts.assign(asked.begin(), asked.end());
  for (const auto& host : asked) {
    const auto own = std::ranges::find(room, host.name, &Host::name);
    if (own == room.end()) {
      throw Error(
          ExitCode::config, "--hosts names " + host.name + ", which is not in the job", grant_of(job, room),
          "leave --hosts out to use the whole job, or ask Slurm for it: #SBATCH --nodelist=" + host.name);
    }
    if (own->slots < host.slots) {
      throw Error(
          ExitCode::config,
          "--hosts puts " + with(host.slots, "rank") + " on " + host.name + ", which was granted fewer",
          grant_of(job, room), "write " + host.name + ":" + std::to_string(own->slots));
    }
  }
  if (ranks && *ranks > total_slots(hosts)) {
    throw Error(ExitCode::config, "--ranks " + std::to_string(*ranks) + " is more than Slurm granted",
                grant_of(job, hosts), "leave --ranks out, or ask Slurm for more: " + to_ask_for(job, *ranks));
  }
  return hosts;
}

int cores_per_rank(const SlurmJob& job, std::span<const Host> hosts) {
  int least = 1 << 20;
  for (const auto& host : hosts) {
    const auto node = std::ranges::find(job.nodes, host.name, &SlurmNode::name);
    if (node == job.nodes.end()) continue;
    if (node->cores < host.slots) {
      throw Error(ExitCode::config,
                  "job " + job.id + " has " + with(node->cores, "core") + " on " + host.name + " for " +
                      with(host.slots, "rank"),
                  "each rank needs one",
                  "ask Slurm for them: #SBATCH --ntasks-per-node=" + std::to_string(host.slots));
    }
    least = std::min(least, node->cores / host.slots);
  }
  return std::max(1, least);
}

bool srun_has_pmix() {
  const auto answer = output_of({"srun", "--mpi=list"});
  std::istringstream words(answer.text);
  for (std::string word; words >> word;) {
    if (word.starts_with("pmix")) return true;
  }
  return false;
}

}  // namespace lockstep
