// The statuses of ranks, and what diagnose() makes of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/diagnosis.hpp"

namespace lockstep {

using State = RankStatus::State;
inline constexpr double seconds = 3;

/// Ranks 0 to count - 1 of a run, in step 10, phase forward, with moving heartbeats; one rank on each of n1,
/// n2, ...
inline std::vector<RankStatus> ranks(int count, std::int64_t beat = 2) {
  std::vector<RankStatus> all(count);
  for (int r = 0; r < count; ++r) {
    auto& status = all[r];
    status.rank = r;
    status.host.append("n").append(std::to_string(r + 1));
    status.beat = beat;
    status.step = 10;
    status.phase = "forward";
    status.phase_seconds = 0.1;
    status.usual_seconds = 0.2;
    status.step_ms = status.usual_step_ms = 400;
    status.compute_ms = 50;
  }
  return all;
}

inline std::vector<Finding> diagnose_now(const std::vector<RankStatus>& now) {
  return diagnose(ranks(static_cast<int>(now.size()), 1), now, seconds);
}

inline void expect_one(const std::vector<Finding>& findings, Trouble trouble,
                       const std::vector<int>& culprits, const std::string& host) {
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(name_of(findings[0].trouble), name_of(trouble)) << findings[0].text;
  EXPECT_EQ(findings[0].ranks, culprits);
  EXPECT_EQ(findings[0].host, host);
}

}  // namespace lockstep
