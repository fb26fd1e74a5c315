#include "common/evidence.hpp"

#include <algorithm>

namespace lockstep {
namespace {

constexpr double starved_cores = 0.2;   // CPU time per second of a rank that is ready to compute
constexpr double silent_seconds = 2.5;  // a sentinel writes every second

/// The median of the ranks that could use a core; 1 for a single one.
double usual_cores(const std::vector<RankStatus>& statuses) {
  std::vector<double> all;
  for (const auto& status : statuses) {
    if (status.ready) all.push_back(status.cores);
  }
  if (all.size() < 2) return 1;
  const auto middle = all.begin() + std::ssize(all) / 2;  // of two ranks the faster one
  std::ranges::nth_element(all, middle);
  return *middle;
}

/// The median time of a micro-batch; 0 if less than two ranks have told theirs.
double usual_compute_ms(const std::vector<RankStatus>& statuses) {
  std::vector<double> all;
  for (const auto& status : statuses) {
    if (status.compute_ms > 0) all.push_back(status.compute_ms);
  }
  if (all.size() < 2) return 0;
  std::ranges::sort(all);
  return all[(all.size() - 1) / 2];  // of two ranks the faster one
}

bool is_starved(const RankStatus& status, double usual_cores) {
  return status.ready && status.cores < std::min(starved_cores, usual_cores / 2);
}

double ratio(const RankStatus& status, double usual_ms) {
  return usual_ms > 0 ? status.compute_ms / usual_ms : 0;
}

}  // namespace

Evidence::Evidence(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now, double seconds)
    : now_(now),
      seconds_(seconds),
      usual_ms_before_(usual_compute_ms(before)),
      usual_ms_now_(usual_compute_ms(now)),
      usual_cores_before_(usual_cores(before)),
      usual_cores_now_(usual_cores(now)) {
  for (const auto& status : before) before_[status.rank] = &status;
}

const RankStatus* Evidence::before(int rank) const {
  const auto found = before_.find(rank);
  return found == before_.end() ? nullptr : found->second;
}

bool Evidence::silent(const RankStatus& status) const {
  const auto* earlier = before(status.rank);
  return status.state != RankStatus::State::ended && seconds_ >= silent_seconds && earlier &&
         earlier->beat == status.beat;
}

bool Evidence::stands_still(const RankStatus& status) {
  return status.idle_seconds >= stuck_seconds && !status.on_disk;
}

int Evidence::waiting_for(int rank) const {
  return static_cast<int>(std::ranges::count_if(now_, [&](const auto& status) {
    const auto awaits = [&](int peer) {
      return std::ranges::find(status.awaits, peer) != status.awaits.end();
    };
    return status.rank != rank && (awaits(rank) || awaits(RankStatus::many));
  }));
}

bool Evidence::gets_no_core(const RankStatus& status) const { return is_starved(status, usual_cores_now_); }

bool Evidence::got_no_core(const RankStatus& status) const {
  const auto* earlier = before(status.rank);
  return earlier && is_starved(*earlier, usual_cores_before_) && gets_no_core(status);
}

bool Evidence::throttles(const RankStatus& status) const {
  const auto* earlier = before(status.rank);
  return earlier && !slowed_by(earlier->gpu.health).empty() && !slowed_by(status.gpu.health).empty();
}

double Evidence::slowness(const RankStatus& status) const { return ratio(status, usual_ms_now_); }

double Evidence::slowness_before(const RankStatus& status_before) const {
  return ratio(status_before, usual_ms_before_);
}

}  // namespace lockstep
