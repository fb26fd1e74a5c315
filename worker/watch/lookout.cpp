#include "worker/watch/lookout.hpp"

#include <utility>

#include "common/diagnosis.hpp"
#include "worker/watch/rank_progress.hpp"
#include "worker/watch/rank_watch.hpp"

namespace lockstep {

void Lookout::look(double seconds) {
  if (!rank_progress().ready || rank_progress().rank != 0) return;
  for (auto& past : past_) past.age_seconds += seconds;
  auto now = read_rank_statuses(rank_progress().run);
  const auto before = past_.empty() ? Past{} : past_.front();
  std::set<std::string> seen;
  for (const auto& finding : diagnose(before.statuses, now, before.age_seconds)) {
    const auto key = name_of(finding.trouble) + finding.host + std::to_string(finding.ranks.front());
    seen.insert(key);
    if (suspected_.contains(key) && said_.insert(key).second)
      print_finding(finding, "warning");  // seen twice in a row: not transient
  }
  suspected_ = std::move(seen);
  past_.push_back({0, std::move(now)});
  while (past_.size() > 1 && past_[1].age_seconds >= seconds_between_looks) past_.pop_front();
}

}  // namespace lockstep
