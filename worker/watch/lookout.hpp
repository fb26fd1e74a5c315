// What holds the run up, as rank 0's sentinel finds by the statuses of all ranks.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

/// Rank 0's sentinel looks at all ranks, and says what holds the run up: once for each culprit.
class Lookout {
 public:
  /// At every beat. `seconds` since the last look.
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
