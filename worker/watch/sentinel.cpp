#include "worker/watch/sentinel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include "collectives/host_reduction.hpp"
#include "common/diagnosis.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/proc_stat.hpp"
#include "common/rank_status.hpp"
#include "worker/watch/gpu_watch.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

constexpr double beat_seconds = 1, hung_times = 20;
constexpr double idle_cores = 0.03;    // of a main thread that only looks around now and then
constexpr double working_cores = 0.5;  // of all threads; the one that gives MPI progress uses a tenth
constexpr std::size_t steps_remembered = 1000, steps_for_a_pace = 3;
constexpr std::array ending_signals = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

volatile pid_t rank_process = 0;
volatile std::sig_atomic_t asked = 0;

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

struct Threads {
  std::string states;  ///< of all but `exchanging`
  std::optional<ProcStat> main;
  ProcStat exchanging;  ///< the one that exchanges messages, where there is one
};

Threads threads_of(const std::filesystem::path& process) {
  Threads threads;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(process / "task", none)) {
    const auto thread = read_proc_stat(entry.path()).value_or(ProcStat{});
    if (thread.name == exchange_thread_name) {
      threads.exchanging = thread;
    } else {
      threads.states += thread.state;
    }
    if (entry.path().filename() == process.filename()) threads.main = thread;
  }
  return threads;
}

std::int64_t number_after(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  std::int64_t value = 0;
  while (file >> word) {
    if (word == key && file >> value) return value;
  }
  return 0;
}

/// Where the kernel counts its kills for memory: in this process's control group (of version 2 or 1), or on
/// the whole machine.
std::string memory_events() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto path = line.substr(line.rfind(':') + 1);
    std::string events;
    if (line.starts_with("0::")) events = "/sys/fs/cgroup" + path + "/memory.events";
    if (line.find(":memory:") != std::string::npos)
      events = "/sys/fs/cgroup/memory" + path + "/memory.oom_control";
    if (!events.empty() && access(events.c_str(), R_OK) == 0) return events;
  }
  return "/proc/vmstat";
}

/// Known before MPI has started; 0 where nothing has started ranks.
int rank_given_by_the_starter() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI2_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  }
  return 0;
}

void say(const Finding& finding, const std::string& severity) {
  const auto line = severity + ": " + finding.text + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

/// What Open MPI leaves behind in /dev/shm when a rank ends without MPI_Finalize: a few MiB for each rank of
/// this host, all of which end when one does. mpirun removes them itself unless it was killed; after srun
/// nobody does.
void remove_segments_of_mpi() {
  if (!stamps().has_segments) return;
  const std::filesystem::path job = stamps().segments;
  std::error_code none;
  for (const auto& item : std::filesystem::directory_iterator(job.parent_path(), none)) {
    if (item.path().string().starts_with(job.string())) std::filesystem::remove(item.path(), none);
  }
}

/// What the sentinel knows of its rank, from beat to beat.
class Watch {
 public:
  explicit Watch(pid_t pid) : pid_(pid) { status_.host = host_name(); }

  /// Once a second while the rank lives. `seconds` since the last beat.
  void beat(double seconds) {
    const auto& page = stamps();
    status_.pid = pid_;
    ++status_.beat;
    look_at_threads(seconds);
    follow_phase(page, seconds);
    follow_steps(page, seconds);
    const auto count = page.awaited_count.load(std::memory_order_acquire);
    status_.awaits.assign(page.awaited, page.awaited + count);
    status_.gpu = gpu_watch_.look();
    write();
    end_hang(page.hang_seconds, seconds);
  }

  /// Who is asked to end may be killed next, and could not tell then that it was.
  void note_if_asked() {
    if (asked == 0 || status_.asked) return;
    status_.asked = true;
    write();
  }

  void end(int wait_status) {
    status_.state = RankStatus::State::ended;
    status_.exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
    status_.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    status_.asked = asked != 0;
    status_.step = stamps().step;
    status_.phase = name_of_phase(stamps().phase);
    status_.out_of_memory = (status_.signal == SIGKILL && memory_kills() > kills_before_) ||
                            status_.exit_code == static_cast<int>(ExitCode::out_of_memory);
    status_.gpu = gpu_watch_.look();
    if (stamps().gpu_failed) {
      status_.gpu_failure = stamps().gpu_failure;
      status_.gpu_remedy = stamps().gpu_remedy;
      status_.gpu_in_doubt = stamps().gpu_in_doubt;
    }
    ++status_.beat;
    write();
    if (status_.signal != 0 && !status_.asked && !stamps().ready) say_how_it_ended();
  }

 private:
  /// There is no run folder, or it is not known yet, and mpirun is told to be quiet.
  void say_how_it_ended() {
    status_.rank = rank_given_by_the_starter();
    for (const auto& finding : diagnose({}, {status_}, 0)) say(finding, "error");
  }

  std::int64_t memory_kills() const { return number_after(memory_events_, "oom_kill"); }

  void look_at_threads(double seconds) {
    const auto folder = folder_of_process(pid_);
    const auto process = read_proc_stat(folder).value_or(process_before_);
    auto [states, found_main, exchanging] = threads_of(folder);
    const auto main = found_main.value_or(main_before_);
    const auto by_the_clock = seconds_since(std::exchange(looked_, Clock::now()));
    status_.state = process.state == 'T' ? RankStatus::State::stopped : RankStatus::State::running;
    status_.ready = main.state == 'R';
    status_.cores = (main.cpu_seconds - main_before_.cpu_seconds) / by_the_clock;
    // In this phase the main thread waits for that one. In others it looks for messages beside it, for as
    // long as anybody holds the rank up.
    if (stamps().phase == static_cast<int>(Phase::exchange) && exchanging.start_ticks != 0) {
      states += exchanging.state;
      status_.ready = status_.ready || exchanging.state == 'R';
      status_.cores += (exchanging.cpu_seconds - cpu_seconds_before(exchanging)) / by_the_clock;
    }
    status_.on_disk = states.find('D') != std::string::npos;
    const auto all_cores = (process.cpu_seconds - process_before_.cpu_seconds) / by_the_clock;
    const bool idle =
        states.find('R') == std::string::npos && status_.cores < idle_cores && all_cores < working_cores;
    status_.idle_seconds = idle ? status_.idle_seconds + seconds : 0;
    main_before_ = main, process_before_ = process, exchanging_before_ = exchanging;
  }

  /// There is a new one at every step.
  double cpu_seconds_before(const ProcStat& exchanging) const {
    return exchanging.start_ticks == exchanging_before_.start_ticks ? exchanging_before_.cpu_seconds : 0;
  }

  /// A rank that stands still for too long is killed, so that the others need not wait for it any longer.
  void end_hang(double limit, double seconds) {
    stopped_seconds_ = status_.state == RankStatus::State::stopped ? stopped_seconds_ + seconds : 0;
    const bool waits = !status_.awaits.empty() && status_.idle_seconds < limit;  // who waits is not idle
    const bool stuck = !waits && status_.usual_seconds > 0 &&
                       status_.phase_seconds > std::max(limit, hung_times * status_.usual_seconds);
    if (limit <= 0 || (!stuck && stopped_seconds_ < limit)) return;
    const auto line = "error: rank " + std::to_string(status_.rank) + " on " + status_.host + " has " +
                      (stuck ? "been stuck in " + status_.phase : std::string("been stopped")) +
                      " for longer than reliability.hang_timeout_seconds and is ended\n";
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
    kill(pid_, SIGKILL);
  }

  void follow_phase(const Stamps& page, double seconds) {
    const auto changes = page.phase_changes.load(std::memory_order_acquire);
    const auto phase = page.phase.load(std::memory_order_relaxed);
    status_.phase_seconds = changes == phase_changes_ ? status_.phase_seconds + seconds : 0;
    phase_changes_ = changes;
    status_.phase = name_of_phase(phase);
    status_.usual_seconds = phase < 0 ? 0 : 1e-9 * static_cast<double>(page.longest_ns[phase].load());
  }

  void follow_steps(const Stamps& page, double seconds) {
    const auto steps = page.steps_here.load(std::memory_order_acquire);
    const auto computing_ns = page.computing_ns.load(std::memory_order_relaxed);
    status_.step = page.step.load(std::memory_order_relaxed);
    since_step_ += seconds;
    if (steps == steps_) {
      if (steps_ > 0) status_.step_ms = std::max(status_.step_ms, 1e3 * since_step_);
      return;
    }
    const auto count = static_cast<double>(steps - steps_);
    status_.step_ms = 1e3 * since_step_ / count;
    if (steps_ > 0) remember(status_.step_ms);  // the first ones touch memory
    if (const auto micro_batches = static_cast<double>(page.micro_batches.load()); micro_batches > 0)
      status_.compute_ms = 1e-6 * static_cast<double>(computing_ns - computing_ns_) / count / micro_batches;
    steps_ = steps;
    computing_ns_ = computing_ns;
    since_step_ = 0;
  }

  void remember(double step_ms) {
    recent_.push_back(step_ms);
    if (recent_.size() > steps_remembered) recent_.pop_front();
    if (recent_.size() < steps_for_a_pace) return;
    auto sorted = std::vector(recent_.begin(), recent_.end());
    std::ranges::nth_element(sorted, sorted.begin() + std::ssize(sorted) / 2);
    status_.usual_step_ms = sorted[sorted.size() / 2];
  }

  void write() {
    const auto& page = stamps();
    if (!page.ready) return;
    if (file_ < 0) open_file(page);
    if (file_ < 0) return;
    status_.rank = page.rank;
    status_.written = unix_seconds();
    const auto text = to_text(status_);
    if (pwrite(file_, text.data(), text.size(), 0) < 0) return;  // the rank itself will meet the same trouble
    if (on_nfs_) fdatasync(file_);  // others see there what has reached the server
  }

  void open_file(const Stamps& page) {
    const auto path = status_folder(page.run) + "/rank-" + std::to_string(page.rank) + ".json";
    file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    struct statfs system {};
    constexpr auto nfs = 0x6969;
    on_nfs_ = file_ >= 0 && fstatfs(file_, &system) == 0 && system.f_type == nfs;
  }

  pid_t pid_;
  std::string memory_events_ = memory_events();  // of the group in which the rank begins too
  std::int64_t kills_before_ = memory_kills();
  RankStatus status_;
  GpuWatch gpu_watch_;
  int file_ = -1;
  bool on_nfs_ = false;
  std::int64_t phase_changes_ = 0, steps_ = 0, computing_ns_ = 0;
  double since_step_ = 0, stopped_seconds_ = 0;
  ProcStat main_before_, process_before_, exchanging_before_;
  Clock::time_point looked_ = Clock::now();
  std::deque<double> recent_;
};

/// Rank 0's sentinel looks at all ranks, and says what holds the run up: once for each culprit.
class Lookout {
 public:
  /// At every beat. `seconds` since the last look.
  void look(double seconds) {
    if (!stamps().ready || stamps().rank != 0) return;
    for (auto& past : past_) past.age_seconds += seconds;
    auto now = read_rank_statuses(stamps().run);
    const auto before = past_.empty() ? Past{} : past_.front();
    std::set<std::string> seen;
    for (const auto& finding : diagnose(before.statuses, now, before.age_seconds)) {
      const auto key = name_of(finding.trouble) + finding.host + std::to_string(finding.ranks.front());
      seen.insert(key);
      if (suspected_.contains(key) && said_.insert(key).second)
        say(finding, "warning");  // seen twice: no passing state
    }
    suspected_ = std::move(seen);
    past_.push_back({0, std::move(now)});
    while (past_.size() > 1 && past_[1].age_seconds >= seconds_between_looks) past_.pop_front();
  }

 private:
  struct Past {
    double age_seconds = 0;
    std::vector<RankStatus> statuses;
  };

  std::deque<Past> past_;
  std::set<std::string> suspected_, said_;
};

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

/// Ends this process as the rank has ended.
[[noreturn]] void end_likewise(int wait_status) {
  if (!WIFSIGNALED(wait_status)) _exit(WEXITSTATUS(wait_status));
  const rlimit no_core{0, 0};  // the rank has left one, if it was to
  setrlimit(RLIMIT_CORE, &no_core);
  std::signal(WTERMSIG(wait_status), SIG_DFL);
  std::raise(WTERMSIG(wait_status));
  _exit(128 + WTERMSIG(wait_status));
}

[[noreturn]] void watch_over(pid_t pid) {
  prctl(PR_SET_NAME, "lockstep-watch");
  Watch watch(pid);
  Lookout lookout;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  auto last = Clock::now();
  for (;;) {
    pollfd ended{fd, POLLIN, 0};
    poll(&ended, 1, static_cast<int>(1e3 * beat_seconds));
    int wait_status = 0;
    if (waitpid(pid, &wait_status, WNOHANG) == pid) {
      watch.end(wait_status);
      if (wait_status != 0) remove_segments_of_mpi();
      end_likewise(wait_status);
    }
    const auto seconds = seconds_since(last);
    watch.note_if_asked();
    if (seconds < beat_seconds / 2) continue;  // a signal has interrupted the wait
    last = Clock::now();
    // Beats, not the clock, tell how long something lasts: a job may be suspended as a whole.
    watch.beat(std::min(seconds, 2 * beat_seconds));
    lookout.look(std::min(seconds, 2 * beat_seconds));
  }
}

}  // namespace

void become_watched() {
  stamps();  // before there are two of them
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
