// How the placement of the ranks is shown to people and written for programs.
#include "worker/ranks/rank_map.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

RankPlace place(const std::string& host, std::vector<int> cores) {
  return {host, "cpu AVX2", "", "", cores, 0};
}

TEST(RankMap, HasALineForEachHost) {
  const std::vector<RankPlace> places = {place("n1", {0, 1}), place("n1", {2, 3}), place("n2", {0, 1, 5})};
  EXPECT_EQ(lines_of(places), (std::vector<std::string>{"n1: ranks 0-1, cores 0-3 | cpu AVX2",
                                                        "n2: rank 2, cores 0-1,5 | cpu AVX2"}));
}

TEST(RankMap, ShowsGpusAndWhatIsHiddenFromWhom) {
  RankPlace first{"n1", "H100", "0000:18:00", "0", {0}, 0}, second{"n1", "H100", "0000:2a:00", "1", {1}, 0};
  EXPECT_EQ(lines_of(std::vector{first, second}).at(0),
            "n1: ranks 0-1, cores 0-1 | H100 at 0000:18:00; 0000:2a:00 (CUDA_VISIBLE_DEVICES: 0; 1)");
}

TEST(RankMap, HasAnObjectForEachRank) {
  const auto json = json_of(std::vector{place("n1", {0, 1}), place("n2", {3})});
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1]["rank"], 1);
  EXPECT_EQ(json[1]["host"], "n2");
  EXPECT_EQ(json[0]["cores"], "0-1");
}

TEST(RankMap, DoubtsAClockThatIsFarOffAndNamesItsHost) {
  std::vector places = {place("n1", {0}), place("n2", {0})};
  places[1].clock_ahead_seconds = -4;
  EXPECT_TRUE(warnings_about(places).empty());
  places[1].clock_ahead_seconds = -90;
  ASSERT_EQ(warnings_about(places).size(), 1u);
  EXPECT_EQ(warnings_about(places)[0].find("the clock of n2 is 90 s behind that of n1"), 0u);
}

TEST(RankMap, DoubtsAHostWithMoreRanksThanCores) {
  EXPECT_TRUE(warnings_about(std::vector{place("n1", {0, 1}), place("n1", {0, 1})}).empty());
  const auto doubts = warnings_about(std::vector{place("n1", {0}), place("n1", {0}), place("n2", {0})});
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_EQ(doubts[0].find("n1 has 2 ranks on 1 cores"), 0u);
}

}  // namespace
}  // namespace lockstep
