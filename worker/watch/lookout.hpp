// How rank 0's sentinel finds out from the statuses of all ranks what holds the run up.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

/// Reads the statuses of all ranks and warns about what holds the run up, once per culprit. Does nothing in
/// the sentinels of other ranks.
class Lookout {
 public:
  /// Called at every heartbeat; `seconds` is the time since the last call.
  void look(double seconds);

 private:
  struct Past {
    double age_seconds = 0;
    std::vector<RankStatus> statuses;
  };

  std::deque<Past> past_;
  std::set<std::string> suspected_, said_;
};

}  // namespace lockstep
