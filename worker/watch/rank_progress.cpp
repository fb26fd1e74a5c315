#include "worker/watch/rank_progress.hpp"

#include <sys/mman.h>

#include <cassert>
#include <cstring>
#include <fstream>
#include <new>
#include <set>

#include "common/rank_status.hpp"

namespace lockstep {

RankProgress& rank_progress() {
  static RankProgress* const shared = [] {
    void* memory =
        mmap(nullptr, sizeof(RankProgress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? new RankProgress : new (memory) RankProgress;
  }();
  return *shared;
}

void stamp_run(const std::string& run, int rank, double hang_seconds) {
  auto& page = rank_progress();
  if (run.size() >= RankProgress::path_max) return;  // no status is written for such a run
  std::memcpy(page.run, run.c_str(), run.size() + 1);
  page.rank = rank;
  page.hang_seconds = hang_seconds;
  page.ready = true;
}

void stamp_gpu(const RankGpu& gpu) {
  auto& page = rank_progress();
  const auto text = to_text(gpu);
  if (text.size() >= RankProgress::text_max) return;  // such a GPU is not reported
  std::memcpy(page.gpu, text.c_str(), text.size() + 1);
  page.has_gpu = true;
}

RankGpu stamped_gpu() {
  return rank_progress().has_gpu ? rank_gpu_from_text(rank_progress().gpu) : RankGpu{};
}

void stamp_gpu_failure(const std::string& why, const std::string& remedy, bool in_doubt) {
  auto& page = rank_progress();
  const auto copy = [](const std::string& text, char* to) {  // cut off if too long
    to[text.copy(to, RankProgress::text_max - 1)] = 0;
  };
  copy(why, page.gpu_failure);
  copy(remedy, page.gpu_remedy);
  page.gpu_in_doubt = in_doubt;
  page.gpu_failed = true;
}

void stamp_segments() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    // In Open MPI 4: vader_segment.HOST.USER.JOB.RANK, in 5 sm_segment.
    const auto file = line.find("/dev/shm/");
    const auto name = line.find("_segment.", file);
    if (file == std::string::npos || name == std::string::npos) continue;
    const auto job = line.substr(file, line.rfind('.') + 1 - file);
    auto& page = rank_progress();
    if (job.size() >= RankProgress::path_max) return;
    std::memcpy(page.segments, job.c_str(), job.size() + 1);
    page.has_segments = true;
    return;
  }
}

std::string name_of_phase(int phase) {
  if (phase == RankProgress::start_up) return "start-up";
  return phase == RankProgress::ending ? "the end" : phase_name(static_cast<Phase>(phase));
}

std::string place_in_run() {
  const int phase = rank_progress().phase;
  return "in " + name_of_phase(phase) +
         (phase < 0 ? "" : " of step " + std::to_string(rank_progress().step + 1));
}

void stamp_phase(Phase phase, Clock::duration time) {
  assert(static_cast<std::size_t>(phase) < phase_count);
  auto& page = rank_progress();
  if (const int before = page.phase.load(std::memory_order_relaxed); before >= 0) {
    auto& longest = page.longest_ns[before];
    const auto ns = std::chrono::nanoseconds(time).count();
    if (ns > longest.load(std::memory_order_relaxed)) longest.store(ns, std::memory_order_relaxed);
  }
  page.phase.store(static_cast<int>(phase), std::memory_order_relaxed);
  page.phase_changes.fetch_add(1, std::memory_order_release);
}

void stamp_step(std::int64_t steps_done, Clock::duration computed) {
  auto& page = rank_progress();
  assert(steps_done >= page.step.load(std::memory_order_relaxed) && "steps are only added");
  page.step.store(steps_done, std::memory_order_relaxed);
  page.computing_ns.store(std::chrono::nanoseconds(computed).count(), std::memory_order_relaxed);
  page.steps_here.fetch_add(1, std::memory_order_release);
}

void stamp_ending() {
  rank_progress().phase.store(RankProgress::ending, std::memory_order_relaxed);
  rank_progress().phase_changes.fetch_add(1, std::memory_order_release);
}

void stamp_loop(std::int64_t steps_done, std::int64_t micro_batches) {
  rank_progress().step = steps_done;
  rank_progress().micro_batches = micro_batches;
}

void stamp_awaited(std::span<const int> ranks) {
  auto& page = rank_progress();
  std::set<int> each(ranks.begin(), ranks.end());
  if (each.size() > RankProgress::awaited_max) each = {RankStatus::many};
  assert(each.size() <= RankProgress::awaited_max);
  int count = 0;
  for (const int rank : each) page.awaited[count++].store(rank, std::memory_order_relaxed);
  page.awaited_count.store(count, std::memory_order_release);
}

}  // namespace lockstep
