#include <gtest/gtest.h>

#include <set>

#include "worker/check/connectivity.hpp"
#include "worker/check/numerics_probe.hpp"

namespace lockstep {
namespace {

TEST(Tournament, EveryPairMeetsOnceAndNobodyIsInTwoPairsAtOnce) {
  for (int hosts = 2; hosts <= 9; ++hosts) {
    std::set<std::pair<int, int>> met;
    for (int round = 0; round < tournament_rounds(hosts); ++round) {
      for (int host = 0; host < hosts; ++host) {
        const int partner = partner_in_round(host, round, hosts);
        if (partner < 0) continue;
        ASSERT_NE(partner, host);
        ASSERT_EQ(partner_in_round(partner, round, hosts), host);
        if (host > partner) continue;
        EXPECT_TRUE(met.emplace(host, partner).second);
      }
    }
    EXPECT_EQ(static_cast<int>(met.size()), hosts * (hosts - 1) / 2);
  }
}

/// "n1", "n2", ...
std::string nth_host(std::size_t i) { return std::string("n").append(std::to_string(i + 1)); }

/// All links of `hosts` hosts run at 1 GB/s, but those that `slow` picks at `share` of that.
CheckResult judged(int hosts, double share, const std::function<bool(int, int)>& slow,
                   double latency = 1e-4) {
  std::vector<std::string> names;
  std::vector<Link> links;
  for (int a = 0; a < hosts; ++a) {
    names.push_back(nth_host(a));
    for (int b = 0; b < hosts; ++b)
      if (a != b) links.push_back({a, b, slow(a, b) ? 1e9 * share : 1e9, slow(a, b) ? latency : 1e-4});
  }
  return judge_links(names, links);
}

TEST(Network, EqualLinksAreNamedNowhere) {
  for (const int hosts : {2, 3, 8})
    EXPECT_EQ(judged(hosts, 1, [](int, int) { return false; }).verdict, CheckVerdict::ok);
}

TEST(Network, OneSlowHostIsNamedOnceInsteadOfItsLinks) {
  for (const int hosts : {3, 4, 8}) {
    const auto finding = judged(hosts, 0.2, [](int a, int b) { return a == 2 || b == 2; });
    EXPECT_EQ(finding.verdict, CheckVerdict::warning);
    ASSERT_EQ(finding.problems.size(), 1U);
    EXPECT_NE(finding.problems[0].find("network of n3"), std::string::npos) << finding.problems[0];
  }
}

TEST(Network, OneSlowLinkIsNamedInItsDirection) {
  for (const int hosts : {3, 4, 8}) {
    const auto finding = judged(hosts, 0.2, [](int a, int b) { return a == 1 && b == 0; });
    ASSERT_EQ(finding.problems.size(), 1U);
    EXPECT_NE(finding.problems[0].find("from n2 to n1"), std::string::npos) << finding.problems[0];
  }
}

TEST(Network, BelowATenthItFailsAndAboveAThirdItPasses) {
  const auto last = [](int a, int b) { return a == 3 || b == 3; };
  EXPECT_EQ(judged(4, 0.4, last).verdict, CheckVerdict::ok);
  EXPECT_EQ(judged(4, 0.3, last).verdict, CheckVerdict::warning);
  EXPECT_EQ(judged(4, 0.05, last).verdict, CheckVerdict::failed);
}

TEST(Network, ALinkThatAnswersLateIsNamed) {
  const auto finding = judged(
      4, 1, [](int a, int b) { return a == 0 && b == 2; }, /*latency=*/0.02);
  ASSERT_EQ(finding.problems.size(), 1U);
  EXPECT_NE(finding.problems[0].find("from n1 to n3 is slow to answer"), std::string::npos);
}

/// One host for each entry of `ranks_on`, with that many ranks; `bits` by rank.
CheckResult voted(const std::vector<int>& ranks_on, const std::vector<RankBits>& bits) {
  std::vector<CheckedHost> hosts;
  std::vector<std::string> names;
  for (const int ranks : ranks_on) {
    hosts.push_back({nth_host(hosts.size()), {}});
    for (int i = 0; i < ranks; ++i) {
      hosts.back().ranks.push_back(static_cast<int>(names.size()));
      names.push_back("rank " + std::to_string(names.size()) + " on " + hosts.back().name);
    }
  }
  return judge_bits(hosts, bits, names);
}

bool names(const CheckResult& finding, const std::string& words) {
  return finding.problems.size() == 1 && finding.problems[0].find(words) != std::string::npos;
}

TEST(Numerics, TheHostInTheMinorityIsNamedHoweverManyRanksItHas) {
  EXPECT_EQ(voted({1, 1}, {{"a", "a"}, {"a", "a"}}).verdict, CheckVerdict::ok);
  EXPECT_TRUE(names(voted({1, 1, 1}, {{"a"}, {"b"}, {"a"}}), "rank 1 on n2 computes other bits than most"));
  EXPECT_TRUE(names(voted({4, 1, 1}, {{"b"}, {"b"}, {"b"}, {"b"}, {"a"}, {"a"}}),
                    "rank 0 on n1, rank 1 on n1, rank 2 on n1, rank 3 on n1 computes other bits than most"));
  EXPECT_TRUE(names(voted({3}, {{"a"}, {"a"}, {"b"}}), "rank 2 on n1 computes other bits than most"));
}

TEST(Numerics, TwoHostsThatDifferHaveNoMajority) {
  EXPECT_TRUE(names(voted({1, 1}, {{"a"}, {"b"}}), "none has a majority (rank 0 on n1, rank 1 on n2)"));
}

TEST(Numerics, ARankThatDiffersFromItselfIsNamed) {
  EXPECT_TRUE(
      names(voted({1, 1}, {{"a", "a"}, {"a", "b"}}), "rank 1 on n2 computes other bits from one time"));
}

}  // namespace
}  // namespace lockstep
