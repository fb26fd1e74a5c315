#include "launcher/reachability.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <thread>

#include "common/clock.hpp"

extern char** environ;

namespace lockstep {
namespace {

constexpr double patience_seconds = 5;
constexpr auto between_looks = std::chrono::milliseconds(20);

std::vector<std::string> probe_command(const Launch& launch, const std::string& host) {
  if (launch.starter == Starter::srun)
    return {"srun", "--overlap", "--quiet", "--nodes=1", "--ntasks=1", "--nodelist=" + host, "true"};
  std::vector<std::string> command;
  std::istringstream words(launch.remote_shell.empty() ? "ssh -o BatchMode=yes -o ConnectTimeout=4"
                                                       : launch.remote_shell);
  for (std::string word; words >> word;) command.push_back(word);
  command.insert(command.end(), {host, "true"});
  return command;
}

/// 0 when it cannot be started.
pid_t start(const std::vector<std::string>& command) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int failure = posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  return failure == 0 ? pid : 0;
}

}  // namespace

std::vector<std::string> hosts_without_answer(const Launch& launch) {
  struct Probe {
    std::string host;
    pid_t pid;
    bool answers = false;
  };
  std::vector<Probe> probes;
  for (const auto& host : launch.hosts)
    probes.push_back({host.name, start(probe_command(launch, host.name))});
  const auto begin = Clock::now();
  for (bool waits = true; waits;) {
    waits = false;
    for (auto& probe : probes) {
      if (probe.pid == 0) continue;
      int status = 0;
      if (waitpid(probe.pid, &status, WNOHANG) == probe.pid) {
        probe.answers = status == 0;
        probe.pid = 0;
      } else if (seconds_since(begin) > patience_seconds) {
        kill(probe.pid, SIGKILL);
      } else {
        waits = true;
      }
    }
    if (waits) std::this_thread::sleep_for(between_looks);
  }
  std::vector<std::string> silent;
  for (auto& probe : probes) {
    if (probe.pid != 0) waitpid(probe.pid, nullptr, 0);
    if (!probe.answers) silent.push_back(probe.host);
  }
  return silent;
}

}  // namespace lockstep
