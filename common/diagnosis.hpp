// Who holds a run up, and why: from what the ranks' sentinels have written.
#pragma once

#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

enum class Trouble {
  dead,           ///< killed, crashed, or left with an error
  out_of_memory,  ///< killed by the kernel for memory
  gpu_failed,     ///< left because its GPU is broken or gone
  host_lost,      ///< no sentinel of the host writes any more: crashed, or cut off from the files
  stopped,        ///< by a signal
  stuck,          ///< in one phase, for far longer than that has ever taken
  gpu_throttles,  ///< heat or power slows its GPU down
  slow_compute,   ///< its micro-batches take far longer than those of the others, or it gets no core
  slow_link,      ///< everybody waits for bytes to or from its host
};

/// "dead", "slow link", ...
std::string name_of(Trouble trouble);

/// How far apart two looks at the statuses are to be: two beats of a sentinel, and a half.
inline constexpr double seconds_between_looks = 2.6;

struct Finding {
  Trouble trouble;
  std::vector<int> ranks;  ///< the culprits, in rank order
  std::string host;        ///< theirs; two hosts as "n1 and n2" where a link between them is slow
  std::string text;        ///< for people: which rank on which host, in which phase, and who waits for it
};

/// `before` and `now` were read `seconds` apart, two beats of a sentinel at least. Empty when nothing is
/// wrong. The likely cause comes first. Limits are relative to the run's own pace and to the other ranks: see
/// the constants in diagnosis.cpp.
std::vector<Finding> diagnose(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now,
                              double seconds);

/// Whether any rank is still written about: its beat has moved, or it has not ended and was read for the
/// first time.
bool is_under_way(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now);

}  // namespace lockstep
