#include "launcher/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

#include "common/clock.hpp"
#include "common/error.hpp"
#include "common/proc_stat.hpp"
#include "launcher/relay.hpp"

namespace lockstep {
namespace {

constexpr double orphans_leave_seconds = 2;
constexpr double leave_seconds = 3;  // for a program whose ranks have not started

/// The relays of the program's output, if the command is relayed.
struct Streams {
  std::optional<Relay> output, errors;
};

/// The signals that ask for an end, except those that this process was told to ignore (nohup, background
/// jobs).
sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&set, number);
  }
  return set;
}

std::set<pid_t> children_of_this_process() {
  std::set<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const auto process = read_proc_stat(entry.path());
    if (process && process->parent == getpid()) children.insert(pid);
  }
  return children;
}

/// Ranks notice that their mpirun was killed, and then remove their shared memory themselves.
void wait_for_orphans(const std::set<pid_t>& not_ours) {
  sigset_t one_ends;
  sigemptyset(&one_ends);
  sigaddset(&one_ends, SIGCHLD);
  const auto begin = Clock::now();
  const timespec poll{0, 100'000'000};
  for (;;) {
    auto children = children_of_this_process();
    std::erase_if(children,
                  [&](pid_t pid) { return not_ours.contains(pid) || waitpid(pid, nullptr, WNOHANG) == pid; });
    if (children.empty() || seconds_since(begin) > orphans_leave_seconds) return;
    sigtimedwait(&one_ends, nullptr, &poll);
  }
}

/// Kills and reaps what the program left behind. Children of a killed process become ours, hence the loop.
void kill_orphans(const std::set<pid_t>& not_ours) {
  for (bool found = true; found;) {
    found = false;
    for (const pid_t pid : children_of_this_process()) {
      if (not_ours.contains(pid)) continue;
      found = true;
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
}

/// Runs in the child after fork(); never returns.
[[noreturn]] void become(const Command& command, pid_t parent, const sigset_t& mask, int failure_pipe,
                         const Streams& streams) {
  setpgid(0, 0);  // Ctrl-C in a terminal must reach the program only once, through us
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(128 + SIGTERM);  // the parent died before the line above
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  if (streams.output) dup2(streams.output->write_end(), STDOUT_FILENO);
  if (streams.errors) dup2(streams.errors->write_end(), STDERR_FILENO);
  signal(SIGPIPE, SIG_DFL);
  for (const auto& [name, value] : command.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(argv[0], argv.data());
  const int error_number = errno;
  if (write(failure_pipe, &error_number, sizeof error_number) < 0) _exit(126);
  _exit(127);
}

pid_t start(const Command& command, const sigset_t& mask, const Streams& streams) {
  int ends[2];
  const pid_t parent = getpid();
  const pid_t pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
  if (pid < 0) throw file_error("cannot start", command.argv[0], errno);
  if (pid == 0) become(command, parent, mask, ends[1], streams);
  close(ends[1]);
  int error_number = 0;
  const ssize_t got = read(ends[0], &error_number, sizeof error_number);  // 0 bytes if exec() has succeeded
  close(ends[0]);
  if (got > 0) {
    waitpid(pid, nullptr, 0);
    throw file_error("cannot start", command.argv[0], error_number);
  }
  return pid;
}

int status_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/// Waits for `pid`, which runs `command`, and forwards signals. Those in `waited`, which include SIGCHLD,
/// are blocked.
Ending wait_for(pid_t pid, const Command& command, const sigset_t& waited, const Streams& streams) {
  Ending ending;
  ending.program = command.argv[0];
  ending.pid = pid;
  const auto begin = Clock::now();
  Clock::time_point asked;
  const timespec poll{0, 200'000'000};  // the granularity of the grace period
  for (int status = 0;;) {
    if (waitpid(pid, &status, WNOHANG) == pid) {
      ending.status = status_code(status);
      ending.own_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
      return ending;
    }
    const int number = sigtimedwait(&waited, nullptr, &poll);
    const bool asks_to_end = number > 0 && number != SIGCHLD;
    if (asks_to_end && ending.forwarded_signal == 0) {
      ending.forwarded_signal = number;
      asked = Clock::now();
      kill(pid, command.ending_signal);
    } else if (ending.forwarded_signal != 0 &&
               (asks_to_end || seconds_since(asked) > command.grace_seconds)) {
      kill(pid, command.killing_signal);
    } else if (ending.never_started && seconds_since(asked) > leave_seconds) {
      kill(pid, command.killing_signal);
    } else if (!ending.never_started && ending.forwarded_signal == 0 && command.start_seconds > 0 &&
               !streams.errors->ranks_were_there() && seconds_since(begin) > command.start_seconds) {
      ending.never_started = true;
      asked = Clock::now();
      kill(pid, SIGTERM);
    }
  }
}

}  // namespace

Ending run_to_end(const Command& command) {
  signal(SIGCHLD, SIG_DFL);  // if the parent left it ignored, waitpid() would return no status
  const std::set<pid_t> not_ours = children_of_this_process();
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // ranks that outlive mpirun become children of this process
  sigset_t waited = ending_signals();
  sigaddset(&waited, SIGCHLD);
  sigset_t mask;
  sigprocmask(SIG_BLOCK, &waited, &mask);
  Streams streams;
  if (command.relayed) {
    streams.output.emplace(STDOUT_FILENO, /*by_lines=*/!isatty(STDOUT_FILENO), command.quiet);
    streams.errors.emplace(STDERR_FILENO, /*by_lines=*/true, command.quiet);
  }
  const pid_t pid = start(command, mask, streams);
  for (auto* relay : {&streams.output, &streams.errors}) {
    if (*relay) (*relay)->start();
  }
  Ending ending = wait_for(pid, command, waited, streams);
  wait_for_orphans(not_ours);
  kill_orphans(not_ours);
  // The relays may wait for the reader of our output: from here on, a signal ends this process again.
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  for (auto* relay : {&streams.output, &streams.errors}) {
    if (!*relay) continue;
    (*relay)->finish();
    ending.said += (*relay)->said();
  }
  return ending;
}

}  // namespace lockstep
