#include "launcher/reachability.hpp"

#include <future>
#include <sstream>

#include "launcher/output_of.hpp"

namespace lockstep {
namespace {

/// Ends within 6 s; the exit code is 0 if the host answers.
std::vector<std::string> probe_command(const Launch& launch, const std::string& host) {
  std::vector<std::string> command = {"timeout", "--kill-after=1", "5"};
  if (launch.starter == Starter::srun) {
    command.insert(command.end(),
                   {"srun", "--overlap", "--quiet", "--nodes=1", "--ntasks=1", "--nodelist=" + host, "true"});
    return command;
  }
  std::istringstream words(launch.remote_shell.empty() ? "ssh -o BatchMode=yes -o ConnectTimeout=4"
                                                       : launch.remote_shell);
  for (std::string word; words >> word;) command.push_back(word);
  command.insert(command.end(), {host, "true"});
  return command;
}

}  // namespace

std::vector<std::string> hosts_without_answer(const Launch& launch) {
  std::vector<std::future<Output>> answers;
  for (const auto& host : launch.hosts)
    answers.push_back(std::async(std::launch::async, output_of, probe_command(launch, host.name)));
  std::vector<std::string> silent;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].get().status != 0) silent.push_back(launch.hosts[i].name);
  }
  return silent;
}

}  // namespace lockstep
