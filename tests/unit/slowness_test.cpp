// Which rank is slow, and why.
#include <gtest/gtest.h>

#include "common/diagnosis.hpp"
#include "tests/unit/rank_statuses.hpp"

namespace lockstep {
namespace {

TEST(Diagnosis, CallsNoRankSlowToComputeThatWaitsForItsData) {
  auto now = ranks(3);
  for (auto& status : now) status.awaits = {1}, status.step_ms = 6000;
  now[1].awaits = {}, now[1].phase = "data", now[1].phase_seconds = 1.5, now[1].on_disk = true;
  EXPECT_TRUE(diagnose_now(now).empty()) << "too early to tell";
  now[1].phase_seconds = 2.5;
  expect_one(diagnose_now(now), Trouble::stuck, {1}, "n2");
}

TEST(Diagnosis, CallsARankThatGetsNoCoreSlowAndNeverStuck) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000, status.ready = true, status.cores = 1;
  now[0].awaits = now[2].awaits = {1};
  now[1].phase_seconds = 20, now[1].cores = 0.05;
  expect_one(diagnose_now(now), Trouble::slow_compute, {1}, "n2");
  now[1].cores = 1;
  expect_one(diagnose_now(now), Trouble::stuck, {1}, "n2");
}

TEST(Diagnosis, NamesTheRankWhoseCoreIsTakenWhateverThePace) {
  auto before = ranks(3, 1), now = ranks(3);
  for (auto* status : {&before[1], &now[1]}) {
    status->ready = true, status->cores = 0.05, status->compute_ms = 120;
  }
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "nobody waits for it";
  now[0].awaits = {1};
  const auto findings = diagnose(before, now, seconds);
  expect_one(findings, Trouble::slow_compute, {1}, "n2");
  EXPECT_EQ(findings[0].text,
            "rank 1 on n2 computes 2.4 times as slowly as the others, because something else takes its core; "
            "1 rank waits for it");
  before[1].cores = 1;
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "for a moment only";
}

TEST(Diagnosis, NamesTheRankWhoseCoreIsTakenBeforeItHasFinishedAStep) {
  auto before = ranks(3, 1), now = ranks(3);
  for (auto* status : {&before[1], &now[1]}) status->ready = true, status->cores = 0.05;
  now[0].awaits = now[2].awaits = {1};
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "the run keeps its pace";
  for (auto& status : now) status.step_ms = 6000;
  const auto findings = diagnose(before, now, seconds);
  expect_one(findings, Trouble::slow_compute, {1}, "n2");
  EXPECT_EQ(findings[0].text,
            "rank 1 on n2 is slow in forward of step 11, because something else takes its core; 2 ranks wait "
            "for it");
}

TEST(Diagnosis, CallsNoLinkSlowAtWhoseEndARankGetsNoCore) {
  auto before = ranks(2, 1), now = ranks(2);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange";
  now[0].awaits = {1}, now[1].awaits = {0};
  for (auto* status : {&before[1], &now[1]}) status->ready = true, status->cores = 0.05;
  EXPECT_TRUE(diagnose(before, now, seconds).empty());
  now[1].awaits = {};
  expect_one(diagnose(before, now, seconds), Trouble::slow_compute, {1}, "n2");
}

TEST(Diagnosis, CallsNoLinkSlowAtWhoseEndNobodyWaits) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange";
  now[0].awaits = now[2].awaits = {1};
  now[1].usual_seconds = 0;
  EXPECT_TRUE(diagnose_now(now).empty());
  now[1].awaits = {0, 2};
  expect_one(diagnose_now(now), Trouble::slow_link, {1}, "n2");
}

TEST(Diagnosis, NamesTheRankThatIsSlowerThanTheOthersInStepsOneAfterTheOther) {
  auto before = ranks(3, 1), now = ranks(3);
  before[1].compute_ms = now[1].compute_ms = 200;
  now[0].awaits = {1};
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "it is the same step";
  for (auto& status : now) status.step = 12;
  expect_one(diagnose(before, now, seconds), Trouble::slow_compute, {1}, "n2");
  now[1].phase = "exchange", now[1].awaits = {0};  // now rank 1 waits in turn
  expect_one(diagnose(before, now, seconds), Trouble::slow_compute, {1}, "n2");
  before[1].usual_step_ms = 0;
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "first steps may be slow";
  before[1].usual_step_ms = 400, before[1].compute_ms = 100;
  EXPECT_TRUE(diagnose(before, now, seconds).empty()) << "one step may be slow";
}

TEST(Diagnosis, NamesTheRankThatGetsLeastWhereAllGetLittle) {
  auto before = ranks(8, 1), now = ranks(8);
  for (auto* statuses : {&before, &now}) {
    for (auto& status : *statuses) status.ready = true, status.cores = 0.14, status.step_ms = 6000;
    (*statuses)[1].cores = 0.05;
  }
  for (auto& status : now) status.awaits = {1};
  now[1].awaits = {};
  expect_one(diagnose(before, now, seconds), Trouble::slow_compute, {1}, "n2");
}

TEST(Diagnosis, NamesNobodyWhereMostRanksGetNoCore) {
  auto before = ranks(4, 1), now = ranks(4);
  for (auto* statuses : {&before, &now}) {
    for (auto& status : *statuses) status.ready = true, status.cores = 0.1;
    (*statuses)[1].compute_ms = 120;
  }
  now[0].awaits = {1};
  EXPECT_TRUE(diagnose(before, now, seconds).empty());
}

TEST(Diagnosis, NamesTheRankThatComputesSlowlyWhileAllOthersWait) {
  auto now = ranks(4);
  for (auto& status : now) status.step_ms = 6000;
  now[2].compute_ms = 700;
  for (const int r : {0, 1, 3}) now[r].awaits = {2};
  expect_one(diagnose_now(now), Trouble::slow_compute, {2}, "n3");
  for (auto& status : now) status.step_ms = 450;
  EXPECT_TRUE(diagnose_now(now).empty()) << "the run keeps its pace";
}

TEST(Diagnosis, NamesTheRankThatStillComputesThoughItHasFinishedNoStep) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000;
  now[0].awaits = now[2].awaits = {1};
  EXPECT_TRUE(diagnose_now(now).empty()) << "it may only have its turn";
  now[1].phase_seconds = 1.5;
  expect_one(diagnose_now(now), Trouble::slow_compute, {1}, "n2");
}

TEST(Diagnosis, TakesNoRankForSlowThatIsBetweenTwoMessages) {
  auto now = ranks(2);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange";
  now[0].awaits = {1};
  expect_one(diagnose_now(now), Trouble::slow_link, {0, 1}, "n1 and n2");
}

TEST(Diagnosis, NamesTheHostThatAllWaitsHaveAPartIn) {
  auto now = ranks(4);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange";
  now[0].awaits = now[1].awaits = now[3].awaits = {2};
  now[2].awaits = {0, 1, 3};
  expect_one(diagnose_now(now), Trouble::slow_link, {2}, "n3");
  now[2].awaits = {}, now[3].awaits = {}, now[2].phase = now[3].phase = "forward";
  EXPECT_TRUE(diagnose_now(now).empty()) << "it may be one that computes";
}

TEST(Diagnosis, TellsARankThatStandsStillWhereItWaitedFromASlowLink) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange", status.phase_seconds = 1.5;
  now[0].awaits = now[1].awaits = {2};
  now[2].awaits = {0};  // what it reported before it was stopped
  now[2].idle_seconds = 1.5;
  EXPECT_TRUE(diagnose_now(now).empty()) << "too early to tell";
  now[2].idle_seconds = now[2].phase_seconds = 2.5;
  expect_one(diagnose_now(now), Trouble::stuck, {2}, "n3");
}

TEST(Diagnosis, NamesBothHostsOfASlowLinkBetweenTwo) {
  auto now = ranks(2);
  for (auto& status : now) status.step_ms = 6000, status.phase = "exchange";
  now[0].awaits = {1}, now[1].awaits = {0};
  expect_one(diagnose_now(now), Trouble::slow_link, {0, 1}, "n1 and n2");
}

}  // namespace
}  // namespace lockstep
