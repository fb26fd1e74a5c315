// Who holds a run up, and why: from what the ranks' sentinels have written.
#pragma once

#include <vector>

#include "common/finding.hpp"
#include "common/rank_status.hpp"

namespace lockstep {

/// How far apart two looks at the statuses are to be: two beats of a sentinel, and a half.
inline constexpr double seconds_between_looks = 2.6;

/// `before` and `now` were read `seconds` apart, two beats of a sentinel at least. Empty when nothing is
/// wrong. The likely cause comes first. Limits are relative to the run's own pace and to the other ranks: see
/// the constants in diagnosis.cpp and evidence.cpp.
std::vector<Finding> diagnose(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now,
                              double seconds);

/// Whether any rank is still written about: its beat has moved, or it has not ended and was read for the
/// first time.
bool is_under_way(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now);

}  // namespace lockstep
