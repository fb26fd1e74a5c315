// Which rank or host holds a run up, and why, according to what the ranks' sentinels have written.
#pragma once

#include <vector>

#include "common/finding.hpp"
#include "common/rank_status.hpp"

namespace lockstep {

/// The time between the two looks that diagnose() compares: two and a half beats of a sentinel.
inline constexpr double seconds_between_looks = 2.6;

/// `before` and `now` were read `seconds` apart, at least two beats of a sentinel. Empty if nothing is
/// wrong; the likely cause comes first. Limits are relative to the run's own pace and to the other ranks;
/// the constants are in diagnosis.cpp and evidence.cpp.
std::vector<Finding> diagnose(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now,
                              double seconds);

/// Whether the sentinel of any rank still writes: its beat has moved, or the rank has not ended and is seen
/// for the first time.
bool is_under_way(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now);

}  // namespace lockstep
