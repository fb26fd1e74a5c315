#include "launcher/preemption.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "launcher/output_of.hpp"

namespace lockstep {
namespace {

/// The value of KEY in a text of "KEY=VALUE" words; "" if there is none.
std::string field(const std::string& text, const std::string& key) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
  }
  return "";
}

/// The first word of VALUE in a line "KEY   = VALUE"; "" if there is no such line.
std::string setting(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, equals, value;
    if (words >> name >> equals >> value && name == key && equals == "=") return value;
  }
  return "";
}

std::optional<double> seconds(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() ? std::nullopt : std::optional(value);
}

}  // namespace

std::optional<double> grace_seconds(const std::string& config, const std::string& partition,
                                    std::optional<double> lead) {
  const auto kill_wait = seconds(setting(config, "KillWait"));
  if (!kill_wait && !lead) return std::nullopt;
  double grace = lead.value_or(kill_wait.value_or(0));
  const auto type = setting(config, "PreemptType");
  const bool may_be_preempted =
      !type.empty() && type != "preempt/none" && field(partition, "PreemptMode") != "OFF";
  if (!may_be_preempted) return grace;
  const double before_preemption = seconds(field(partition, "GraceTime")).value_or(0);
  return std::min(grace, before_preemption > 0 ? before_preemption : kill_wait.value_or(grace));
}

std::optional<double> grace_seconds(const SlurmJob& job) {
  const auto config = output_of({"scontrol", "show", "config"});
  const auto partition = output_of({"scontrol", "show", "partition", job.partition});
  return grace_seconds(config.text, partition.text, seconds(environment_variable("LOCKSTEP_SIGNAL_SECONDS")));
}

Sequel sequel_of(int signal, const std::string& job) {
  const auto preempted_at = field(job, "PreemptTime");
  const bool by_slurm =
      signal == SIGUSR1 || signal == SIGUSR2 ||
      (signal == SIGTERM && ((!preempted_at.empty() && preempted_at != "None") ||
                             field(job, "JobState") == "PREEMPTED" || field(job, "Reason") == "TimeLimit"));
  if (!by_slurm) return Sequel::none;
  const bool may = field(job, "BatchFlag") == "1" && field(job, "Requeue") == "1";
  return may ? Sequel::requeue : Sequel::refused;
}

void requeue_if_preempted(const SlurmJob& job, int signal) {
  const auto name = "lockstep: job " + job.id;
  const auto sequel = sequel_of(signal, output_of({"scontrol", "show", "job", job.id}).text);
  if (sequel == Sequel::refused)
    std::cerr << name << " may not be requeued: submit it again, and the run goes on\n";
  if (sequel != Sequel::requeue) return;
  std::cerr << name << " is requeued, and goes on with the run when Slurm starts it again" << std::endl;
  const auto answer = output_of({"scontrol", "requeue", job.id});
  if (answer.status != 0)
    std::cerr << name << " could not be requeued (" << answer.text
              << ") submit it again, and the run goes on\n";
}

}  // namespace lockstep
