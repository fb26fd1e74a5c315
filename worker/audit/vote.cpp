#include "worker/audit/vote.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace lockstep {

Verdict vote(std::span<const Result> results) {
  std::map<std::array<std::uint8_t, 16>, int> votes;
  for (const auto& result : results) ++votes[result.hash.bytes];
  int most = 0;
  for (const auto& [hash, count] : votes) most = std::max(most, count);
  const auto leading = std::ranges::count_if(votes, [&](const auto& of) { return of.second == most; });
  std::set<int> suspects;
  for (const auto& result : results) {
    if (leading > 1 || votes[result.hash.bytes] != most) suspects.insert(result.rank);
  }
  return {{suspects.begin(), suspects.end()}, leading == 1 || suspects.size() == 1};
}

}  // namespace lockstep
