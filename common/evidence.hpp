// What two looks at the ranks' statuses say about each rank: whether it waits, is idle, gets a core, or is
// slower than the others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

class Evidence {
 public:
  /// `before` and `now` were read `seconds` apart; both must outlive this.
  Evidence(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now, double seconds);

  const std::vector<RankStatus>& now() const { return now_; }
  /// nullptr if the rank was not there.
  const RankStatus* before(int rank) const;

  /// Its sentinel has written nothing between the looks.
  bool silent(const RankStatus& status) const;
  /// It has been idle for so long that it cannot be waiting for messages: ranks poll while they wait.
  static bool stands_still(const RankStatus& status);
  /// It waits for other ranks. One that stands still has only said so before.
  static bool waits(const RankStatus& status) { return !status.awaits.empty() && !stands_still(status); }
  /// How many ranks wait for this one.
  int waiting_for(int rank) const;

  /// It is ready to compute and gets next to no CPU time, while the other ranks get some: where they get no
  /// more, the machine has too few cores, which is the fault of no rank.
  bool gets_no_core(const RankStatus& status) const;
  /// At both looks.
  bool got_no_core(const RankStatus& status) const;
  /// Something slowed its GPU down at both looks.
  bool throttles(const RankStatus& status) const;

  /// The time of its micro-batches over that of most ranks; 0 if that is unknown.
  double slowness(const RankStatus& status) const;
  double slowness_before(const RankStatus& status_before) const;

 private:
  const std::vector<RankStatus>& now_;
  double seconds_;
  double usual_ms_before_, usual_ms_now_, usual_cores_before_, usual_cores_now_;
  std::map<int, const RankStatus*> before_;
};

/// A rank is not called stuck before it has been idle, or in a phase, for this long: on a busy machine 2 s
/// are normal.
inline constexpr double stuck_seconds = 2;

}  // namespace lockstep
