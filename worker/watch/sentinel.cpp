#include "worker/watch/sentinel.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>

#include "common/clock.hpp"
#include "worker/watch/lookout.hpp"
#include "worker/watch/rank_progress.hpp"
#include "worker/watch/rank_watch.hpp"

namespace lockstep {
namespace {

constexpr double beat_seconds = 1;
constexpr std::array ending_signals = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

volatile pid_t rank_process = 0;
volatile std::sig_atomic_t asked = 0;

/// Removes the files that Open MPI leaves in /dev/shm when a rank ends without MPI_Finalize: a few MiB for
/// each rank of this host, all of which end when one does. mpirun removes these files itself unless it was
/// killed; after srun nobody does.
void remove_segments_of_mpi() {
  if (!rank_progress().has_segments) return;
  const std::filesystem::path job = rank_progress().segments;
  std::error_code none;
  for (const auto& item : std::filesystem::directory_iterator(job.parent_path(), none)) {
    if (item.path().string().starts_with(job.string())) std::filesystem::remove(item.path(), none);
  }
}

void pass_on(int number) {
  asked = number;
  if (rank_process > 0) kill(rank_process, number);
}

void ignore_what_is_for_the_rank() {
  struct sigaction action {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART;
  for (const int number : ending_signals) sigaction(number, &action, nullptr);
}

/// Ends this process with the exit code or the signal of the rank.
[[noreturn]] void end_likewise(int wait_status) {
  if (!WIFSIGNALED(wait_status)) _exit(WEXITSTATUS(wait_status));
  const rlimit no_core{0, 0};  // the rank has left its own, if it was to
  setrlimit(RLIMIT_CORE, &no_core);
  std::signal(WTERMSIG(wait_status), SIG_DFL);
  std::raise(WTERMSIG(wait_status));
  _exit(128 + WTERMSIG(wait_status));
}

[[noreturn]] void watch_over(pid_t pid) {
  prctl(PR_SET_NAME, "lockstep-watch");
  RankWatch watch(pid);
  Lookout lookout;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  auto last = Clock::now();
  for (;;) {
    pollfd ended{fd, POLLIN, 0};
    poll(&ended, 1, static_cast<int>(1e3 * beat_seconds));
    int wait_status = 0;
    if (waitpid(pid, &wait_status, WNOHANG) == pid) {
      watch.end(wait_status, asked != 0);
      if (wait_status != 0) remove_segments_of_mpi();
      end_likewise(wait_status);
    }
    const auto seconds = seconds_since(last);
    if (asked != 0) watch.note_asked();
    if (seconds < beat_seconds / 2) continue;  // a signal has interrupted the wait
    last = Clock::now();
    // Durations are counted in beats, not by the clock: a whole job may be suspended.
    watch.beat(std::min(seconds, 2 * beat_seconds));
    lookout.look(std::min(seconds, 2 * beat_seconds));
  }
}

}  // namespace

void fork_sentinel() {
  rank_progress();  // mapped before fork(), to be shared
  const pid_t sentinel = getpid();
  const pid_t pid = fork();
  if (pid > 0) {
    rank_process = pid;
    ignore_what_is_for_the_rank();
    watch_over(pid);
  }
  if (pid < 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != sentinel) _exit(128 + SIGKILL);
}

}  // namespace lockstep
