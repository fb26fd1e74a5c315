// What the launcher reads: hosts, Slurm's variables and answers, and the parts of a batch script.
#include <algorithm>
#include <csignal>
#include <map>
#include <sstream>
#include <vector>

#include "common/visible_gpus.hpp"
#include "file.hpp"
#include "launcher/batch_script.hpp"
#include "launcher/hosts.hpp"
#include "launcher/preemption.hpp"
#include "launcher/slurm.hpp"

namespace lockstep::fuzz {
namespace {

std::vector<std::string> lines_of(Bytes bytes) {
  std::istringstream stream(text_of(bytes));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void use(const std::vector<Host>& hosts) {
  if (total_slots(hosts) < 1) broken("hosts without room");
  if (total_slots(filled(hosts, 1)) != 1) broken("one rank does not go anywhere");
  in_words(hosts);
}

}  // namespace

void read_hosts(Bytes bytes) { use(parse_hosts(text_of(bytes))); }

void read_hostfile(Bytes bytes) { use(parse_hostfile(text_of(bytes), "hosts")); }

/// Two bytes with the number of nodes, and whether GPUs and a list of hosts are given; then lines
/// SLURM_...=VALUE, of which the last can be that list.
void read_slurm_variables(Bytes bytes) {
  if (bytes.size() < 2) return;
  std::map<std::string, std::string> variables{{"SLURM_JOB_ID", "17"}};
  const auto lines = lines_of(bytes.subspan(2));
  for (const auto& line : lines) {
    const auto equals = line.find('=');
    if (equals != line.npos) variables[line.substr(0, equals)] = line.substr(equals + 1);
  }
  const auto job =
      slurm_job([&](const std::string& name) { return variables[name]; },
                [&](const std::string&) { return std::vector<std::string>(bytes[0] % 8 + 1, "n"); });
  if (!job) return;
  const auto room = room_in(*job, bytes[1] & 15, bytes[1] & 16);
  std::vector<Host> asked;
  if (bytes[1] & 32) asked = parse_hosts(lines.empty() ? "" : lines.back());
  const auto hosts = granted_hosts(*job, room, asked, bytes[1] & 64 ? std::optional(3) : std::nullopt);
  if (cores_per_rank(*job, hosts) < 1) broken("a rank without a core");
}

/// The output of `scontrol show` for a job, the configuration and a partition.
void read_scontrol(Bytes bytes) {
  const auto text = text_of(bytes);
  for (const int signal : {SIGTERM, SIGUSR1}) sequel_of(signal, text);
  grace_seconds(text, text, std::nullopt);
  grace_seconds(text, text, 7.0);
}

/// In turn: the job's name, --time, --partition, the run folder, options of --sbatch and words of the
/// command. Whatever they are, the script must have as many lines as one made from plain words.
void read_batch_job(Bytes bytes) {
  if (bytes.empty()) return;
  // Values may hold newlines, which is what is tested: zero bytes separate them.
  std::vector<std::string> values;
  std::istringstream stream(text_of(bytes.subspan(1)));
  for (std::string value; std::getline(stream, value, '\0');) values.push_back(value);
  values.resize(std::max<std::size_t>(values.size(), 4));
  BatchJob job;
  job.name = values[0];
  job.time = values[1];
  job.partition = values[2];
  job.output = values[3];
  if (bytes[0] & 1) job.gpus_per_node = 8;
  if (bytes[0] & 2) job.seeds = {1, 2};
  if (bytes[0] & 4) job.signal_seconds = 30;
  for (std::size_t i = 4; i < values.size(); ++i) (i % 2 ? job.command : job.more).push_back(values[i]);
  const auto script = batch_script(job);
  for (auto* text : {&job.name, &job.partition, &job.output}) *text = text->empty() ? "" : "plain";
  for (auto& text : job.more) text = "--plain";
  for (auto& text : job.command) text = "plain";
  if (std::ranges::count(script, '\n') != std::ranges::count(batch_script(job), '\n'))
    broken("a value added lines to the script:\n" + script);
}

void read_visible_gpus(Bytes bytes) {
  const int seen = visible_gpus(8, text_of(bytes));
  if (seen < 0) broken("fewer than no GPUs");
}

}  // namespace lockstep::fuzz
