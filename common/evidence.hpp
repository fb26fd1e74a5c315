// What two looks at the statuses of the ranks tell of each: whether it waits, does nothing, gets a core, or
// is slower than the others.
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
  /// It has done nothing for so long that it cannot be waiting for messages, which takes CPU time.
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

/// For how long a rank may do nothing, or a phase may take, before anybody calls it stuck: a busy machine
/// takes 2 s at times.
inline constexpr double stuck_seconds = 2;

}  // namespace lockstep
