#include "worker/watch/rank_watch.hpp"

#include <fcntl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "common/error.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

constexpr double hung_times = 20;
constexpr double idle_cores = 0.03;    // of a main thread that only polls now and then
constexpr double working_cores = 0.5;  // of all threads; the one that gives MPI progress uses a tenth
constexpr std::size_t steps_remembered = 1000, steps_for_a_pace = 3;

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The rank that mpirun or srun has set in the environment, known before MPI_Init; 0 if none is set.
int rank_given_by_the_starter() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI2_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  }
  return 0;
}

}  // namespace

void print_finding(const Finding& finding, const std::string& severity) {
  const auto line = severity + ": " + finding.text + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

RankWatch::RankWatch(pid_t pid) : pid_(pid) { status_.host = host_name(); }

void RankWatch::beat(double seconds) {
  const auto& page = rank_progress();
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

void RankWatch::note_asked() {
  if (status_.asked) return;
  status_.asked = true;
  write();
}

void RankWatch::end(int wait_status, bool asked) {
  status_.state = RankStatus::State::ended;
  status_.exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
  status_.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
  status_.asked = asked;
  status_.step = rank_progress().step;
  status_.phase = name_of_phase(rank_progress().phase);
  status_.out_of_memory = (status_.signal == SIGKILL && memory_kills_.count() > kills_before_) ||
                          status_.exit_code == static_cast<int>(ExitCode::out_of_memory);
  status_.gpu = gpu_watch_.look();
  if (rank_progress().gpu_failed) {
    status_.gpu_failure = rank_progress().gpu_failure;
    status_.gpu_remedy = rank_progress().gpu_remedy;
    status_.gpu_in_doubt = rank_progress().gpu_in_doubt;
  }
  ++status_.beat;
  write();
  if (status_.signal != 0 && !status_.asked && !rank_progress().ready) say_how_it_ended();
}

void RankWatch::say_how_it_ended() {
  status_.rank = rank_given_by_the_starter();
  for (const auto& finding : diagnose({}, {status_}, 0)) print_finding(finding, "error");
}

void RankWatch::look_at_threads(double seconds) {
  const auto folder = folder_of_process(pid_);
  const auto process = read_proc_stat(folder).value_or(process_before_);
  auto [states, found_main, exchanging] = rank_threads(folder);
  const auto main = found_main.value_or(main_before_);
  const auto by_the_clock = seconds_since(std::exchange(looked_, Clock::now()));
  status_.state = process.state == 'T' ? RankStatus::State::stopped : RankStatus::State::running;
  status_.ready = main.state == 'R';
  status_.cores = (main.cpu_seconds - main_before_.cpu_seconds) / by_the_clock;
  // In the exchange phase the main thread waits for the exchanging thread. In other phases that thread polls
  // for messages next to the main thread, for as long as a peer holds the rank up.
  if (rank_progress().phase == static_cast<int>(Phase::exchange) && exchanging.start_ticks != 0) {
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

double RankWatch::cpu_seconds_before(const ProcStat& exchanging) const {
  return exchanging.start_ticks == exchanging_before_.start_ticks ? exchanging_before_.cpu_seconds : 0;
}

void RankWatch::end_hang(double limit, double seconds) {
  stopped_seconds_ = status_.state == RankStatus::State::stopped ? stopped_seconds_ + seconds : 0;
  const bool waits = !status_.awaits.empty() && status_.idle_seconds < limit;  // a waiting rank polls
  const bool stuck = !waits && status_.usual_seconds > 0 &&
                     status_.phase_seconds > std::max(limit, hung_times * status_.usual_seconds);
  if (limit <= 0 || (!stuck && stopped_seconds_ < limit)) return;
  const auto line = "error: rank " + std::to_string(status_.rank) + " on " + status_.host + " has " +
                    (stuck ? "been stuck in " + status_.phase : std::string("been stopped")) +
                    " for longer than reliability.hang_timeout_seconds and is ended\n";
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
  kill(pid_, SIGKILL);
}

void RankWatch::follow_phase(const RankProgress& page, double seconds) {
  const auto changes = page.phase_changes.load(std::memory_order_acquire);
  const auto phase = page.phase.load(std::memory_order_relaxed);
  status_.phase_seconds = changes == phase_changes_ ? status_.phase_seconds + seconds : 0;
  phase_changes_ = changes;
  status_.phase = name_of_phase(phase);
  status_.usual_seconds = phase < 0 ? 0 : 1e-9 * static_cast<double>(page.longest_ns[phase].load());
}

void RankWatch::follow_steps(const RankProgress& page, double seconds) {
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
  if (steps_ > 0) remember(status_.step_ms);  // the first steps touch new memory
  if (const auto micro_batches = static_cast<double>(page.micro_batches.load()); micro_batches > 0)
    status_.compute_ms = 1e-6 * static_cast<double>(computing_ns - computing_ns_) / count / micro_batches;
  steps_ = steps;
  computing_ns_ = computing_ns;
  since_step_ = 0;
}

void RankWatch::remember(double step_ms) {
  recent_.push_back(step_ms);
  if (recent_.size() > steps_remembered) recent_.pop_front();
  if (recent_.size() < steps_for_a_pace) return;
  auto sorted = std::vector(recent_.begin(), recent_.end());
  std::ranges::nth_element(sorted, sorted.begin() + std::ssize(sorted) / 2);
  status_.usual_step_ms = sorted[sorted.size() / 2];
}

void RankWatch::write() {
  const auto& page = rank_progress();
  if (!page.ready) return;
  if (file_ < 0) open_file(page);
  if (file_ < 0) return;
  status_.rank = page.rank;
  status_.written = unix_seconds();
  const auto text = to_text(status_);
  if (pwrite(file_, text.data(), text.size(), 0) < 0) return;  // the rank itself will meet the same trouble
  if (on_nfs_) fdatasync(file_);                               // other hosts see what is on the server
}

void RankWatch::open_file(const RankProgress& page) {
  const auto path = status_folder(page.run) + "/rank-" + std::to_string(page.rank) + ".json";
  file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  struct statfs system {};
  constexpr auto nfs = 0x6969;
  on_nfs_ = file_ >= 0 && fstatfs(file_, &system) == 0 && system.f_type == nfs;
}

}  // namespace lockstep
