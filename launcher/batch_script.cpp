#include "launcher/batch_script.hpp"

#include <algorithm>
#include <map>
#include <regex>

#include "common/error.hpp"
#include "launcher/mpirun.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t usual_notice_seconds = 120;  // Slurm may send it up to 60 s early

/// Quoted for a line that sbatch reads, where '#' begins a comment and '\\' escapes.
std::string value_of(const std::string& text) {
  if (!text.empty() && text.find_first_of(" \"'\\#") == std::string::npos) return text;
  std::string value = "\"";
  for (const char c : text) value += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return value + "\"";
}

/// A line break in a value would begin a new line of the script.
void require_one_line(const std::string& what, const std::string& text) {
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  const auto found = std::ranges::find_if(text, is_control);
  if (found == text.end()) return;
  throw Error(
      ExitCode::config, what + " cannot be written into a batch script",
      "it has a line break or another control character behind \"" + std::string(text.begin(), found) + "\"",
      "leave it out, or set it in the configuration");
}

void require_plain(const BatchJob& job) {
  require_one_line("the job's name", job.name);
  require_one_line("--time", job.time);
  require_one_line("--partition", job.partition);
  require_one_line("--account", job.account);
  require_one_line("the run folder's name", job.output);
  for (const auto& option : job.more) require_one_line("an option of --sbatch", option);
  for (const auto& line : job.setup) require_one_line("a line of --setup", line);
  for (const auto& word : job.command) require_one_line("an argument of the command", word);
}

std::string directive(const std::string& option) {
  const auto equals = option.find('=');
  if (equals == std::string::npos) return "#SBATCH " + option;
  return "#SBATCH " + option.substr(0, equals + 1) + value_of(option.substr(equals + 1));
}

std::string resources_of(const BatchJob& job) {
  std::vector<std::string> options;
  const auto tasks = job.tasks_per_node ? job.tasks_per_node : job.gpus_per_node;
  if (tasks) options.push_back("--ntasks-per-node=" + std::to_string(*tasks));
  if (tasks) options.push_back("--cpus-per-task=" + std::to_string(job.cores_per_task));
  if (!tasks) options.push_back("--exclusive");
  if (job.gpus_per_node) options.push_back("--gpus-per-node=" + std::to_string(*job.gpus_per_node));
  if (!job.time.empty()) options.push_back("--time=" + job.time);
  if (!job.partition.empty()) options.push_back("--partition=" + job.partition);
  if (!job.account.empty()) options.push_back("--account=" + job.account);
  options.push_back(job.requeue ? "--requeue" : "--no-requeue");
  options.insert(options.end(), job.more.begin(), job.more.end());
  std::string lines;
  for (const auto& option : options) {
    if (!lines.empty()) lines += "\n";
    lines += directive(option);
  }
  return lines;
}

/// How long before the time limit Slurm notifies the run.
std::int64_t notice_of(const BatchJob& job) {
  if (job.time.empty()) return job.signal_seconds.value_or(usual_notice_seconds);
  const auto limit = seconds_of_time(job.time);
  if (!limit || *limit == 0) {
    throw Error(ExitCode::config, "--time " + job.time + " is no time of Slurm's",
                "it is longer than nothing", "write minutes, or hours as 2:00:00, or days as 1-12:00:00");
  }
  const auto notice =
      job.signal_seconds.value_or(static_cast<int>(std::min(usual_notice_seconds, *limit / 4)));
  if (notice < *limit) return notice;
  throw Error(ExitCode::config, "--signal-seconds " + std::to_string(notice) + " leaves nothing to train in",
              "the time limit is " + std::to_string(*limit) + " s", "raise --time or lower --signal-seconds");
}

std::string array_of(const BatchJob& job) {
  const auto last = std::to_string(job.seeds.size() - 1);
  return "0-" + last + (job.at_once ? "%" + std::to_string(*job.at_once) : "");
}

/// Each line as given, followed by a check that ends the job if it fails.
std::string setup_of(const BatchJob& job) {
  std::string lines;
  for (const auto& line : job.setup) lines += line + "\ntest $? = 0 || exit 1\n";
  return lines;
}

std::string in_shell(const std::vector<std::string>& words) { return shell_line({words, {}}); }

/// Replaces placeholders in one pass: a value that looks like one stays as it is.
std::string filled_in(const std::string& form, const std::map<std::string, std::string>& values) {
  std::string text;
  std::size_t done = 0;
  for (auto at = form.find("{{"); at != std::string::npos; at = form.find("{{", done)) {
    const auto end = form.find("}}", at);
    text.append(form, done, at - done).append(values.at(form.substr(at + 2, end - at - 2)));
    done = end + 2;
  }
  return text.append(form, done);
}

}  // namespace

std::optional<std::int64_t> seconds_of_time(const std::string& time) {
  static const std::regex days(R"((\d{1,5})-(\d{1,4})(?::(\d{1,4}))?(?::(\d{1,4}))?)");
  static const std::regex hours(R"((?:(?:(\d{1,6}):)?(\d{1,8}):(\d{1,8}))|(\d{1,8}))");
  std::smatch part;
  const auto number = [&](int i) { return part[i].length() > 0 ? std::stoll(part[i]) : 0; };
  if (std::regex_match(time, part, days))
    return ((number(1) * 24 + number(2)) * 60 + number(3)) * 60 + number(4);
  if (std::regex_match(time, part, hours)) return (number(1) * 60 + number(2) + number(4)) * 60 + number(3);
  return std::nullopt;
}

std::string log_of(const BatchJob& job) {
  return job.output + (job.seeds.empty() ? "-%j.log" : "-%A_%a.log");
}

std::string batch_script(const BatchJob& job) {
  require_plain(job);
  std::vector<std::string> seeds;
  for (const auto seed : job.seeds) seeds.push_back(std::to_string(seed));
  const std::map<std::string, std::string> values = {
      {"name", value_of(job.name)},
      // a login shell knows `module`
      {"shell", job.setup.empty() ? "/bin/sh" : "/bin/bash -l"},
      {"setup", setup_of(job)},
      {"nodes", std::to_string(job.nodes)},
      {"resources", resources_of(job)},
      {"log", value_of(log_of(job))},
      {"signal_seconds", std::to_string(notice_of(job))},
      {"array", seeds.empty() ? "" : array_of(job)},
      {"seeds", in_shell(seeds)},
      {"command", in_shell(job.command)},
      {"output", in_shell({job.output})}};
  return filled_in(seeds.empty() ? train_template : seeds_template, values);
}

}  // namespace lockstep
