// Which rank has failed, or is stuck.
#include "common/diagnosis.hpp"

#include <gtest/gtest.h>

#include "tests/unit/rank_statuses.hpp"

namespace lockstep {
namespace {

TEST(Diagnosis, FindsNothingInARunThatGoesOn) {
  EXPECT_TRUE(diagnose_now(ranks(4)).empty());
  EXPECT_TRUE(is_under_way(ranks(4, 1), ranks(4, 2)));
  EXPECT_FALSE(is_under_way(ranks(4, 2), ranks(4, 2)));
}

TEST(Diagnosis, NamesTheRankThatWasKilledAndNotThoseThatMissIt) {
  auto now = ranks(3);
  for (auto& status : now) status.state = State::ended;
  now[0].exit_code = now[1].exit_code = 3;
  now[2].signal = 9;
  const auto findings = diagnose_now(now);
  expect_one(findings, Trouble::dead, {2}, "n3");
  EXPECT_EQ(findings[0].text, "rank 2 on n3 was ended by signal 9 (Killed) in forward of step 11");
}

TEST(Diagnosis, BlamesNoRankForWhomMpirunWasGone) {
  auto now = ranks(2);
  for (auto& status : now) status.state = State::ended;
  now[0].signal = 13;
  EXPECT_TRUE(diagnose_now(now).empty());
  now[1].signal = 11;
  expect_one(diagnose_now(now), Trouble::dead, {1}, "n2");
}

TEST(Diagnosis, PassesOverRanksThatWereAskedToEnd) {
  auto now = ranks(3);
  for (auto& status : now) status.state = State::ended, status.signal = 15, status.asked = true;
  now[1].asked = false;
  now[1].signal = 11;
  expect_one(diagnose_now(now), Trouble::dead, {1}, "n2");
}

TEST(Diagnosis, PutsTheFirstFailureFirst) {
  auto now = ranks(2);
  for (auto& status : now) status.state = State::ended, status.exit_code = 4;
  now[0].written = 20, now[1].written = 10;
  const auto findings = diagnose_now(now);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].ranks, std::vector{1});
}

TEST(Diagnosis, TellsMemoryFromOtherKills) {
  auto now = ranks(2);
  now[1].state = State::ended, now[1].signal = 9, now[1].out_of_memory = true;
  expect_one(diagnose_now(now), Trouble::out_of_memory, {1}, "n2");
}

/// Puts rank 1 on a GPU that throttles for `reasons`.
void heat(std::vector<RankStatus>& statuses, std::vector<std::string> reasons = {"thermal"}) {
  statuses[1].gpu = {1, "GPU-b", "0000:18:00", {}, "", {}};
  statuses[1].gpu.health.told = true;
  statuses[1].gpu.health.temperature_celsius = 87;
  statuses[1].gpu.health.throttling = std::move(reasons);
}

TEST(Diagnosis, NamesTheGpuThatFailedWithWhatTheDriverSaysOfItAndWhatHelps) {
  auto now = ranks(3);
  heat(now, {});
  for (auto& status : now) status.state = State::ended, status.exit_code = 3;
  now[1].exit_code = 9;
  now[1].gpu_failure = "CUDA error 214: uncorrectable ECC error encountered";
  now[1].gpu_remedy = "reset it";
  now[1].gpu.health.xids = {48, 63};
  const auto findings = diagnose_now(now);
  expect_one(findings, Trouble::gpu_failed, {1}, "n2");
  EXPECT_EQ(
      findings[0].text,
      "rank 1 on n2 has lost its GPU in forward of step 11: GPU 1, GPU-b, PCI 0000:18:00 (CUDA error 214: "
      "uncorrectable ECC error encountered; the driver has reported Xid 48, 63) reset it");
}

TEST(Diagnosis, NamesAGpuThatThrottlesAndNotItsRankAsSlow) {
  auto before = ranks(4, 1), now = ranks(4);
  heat(before), heat(now);
  before[1].compute_ms = now[1].compute_ms = 150;
  now[1].step = 11;
  now[0].awaits = {1};
  const auto findings = diagnose(before, now, seconds);
  expect_one(findings, Trouble::gpu_throttles, {1}, "n2");
  EXPECT_EQ(findings[0].text,
            "rank 1 on n2 computes 3.0 times as slowly as the others, because its GPU throttles (thermal) at "
            "87 C; 1 "
            "rank waits for it");
}

TEST(Diagnosis, NamesAGpuThatThrottlesThoughNobodyIsSlower) {
  auto before = ranks(2, 1), now = ranks(2);
  heat(before), heat(now);
  const auto findings = diagnose(before, now, seconds);
  expect_one(findings, Trouble::gpu_throttles, {1}, "n2");
  EXPECT_EQ(findings[0].text, "rank 1 on n2: its GPU throttles (thermal) at 87 C");
}

TEST(Diagnosis, RaisesNoAlarmForAGpuThatThrottlesForAMomentOrIsAtItsPowerCap) {
  auto before = ranks(2, 1), now = ranks(2);
  heat(now);
  EXPECT_TRUE(diagnose(before, now, seconds).empty());
  heat(before, {"power cap"}), heat(now, {"power cap"});
  EXPECT_TRUE(diagnose(before, now, seconds).empty());
}

TEST(Diagnosis, NamesAHostWhoseSentinelsAreSilent) {
  auto now = ranks(4);
  now[2].host = now[3].host = "far";
  now[2].beat = now[3].beat = 1;
  expect_one(diagnose_now(now), Trouble::host_lost, {2, 3}, "far");
  now[3].beat = 2;
  expect_one(diagnose_now(now), Trouble::dead, {2}, "far");
}

TEST(Diagnosis, CallsNoRankGoneWhoseSentinelAloneIsSilent) {
  auto now = ranks(3);
  now[1].beat = 1;
  now[0].step = now[2].step = 11;
  EXPECT_TRUE(diagnose_now(now).empty()) << "the others get on, which they cannot without it";
}

TEST(Diagnosis, NamesAStoppedRankWhateverTheOthersDo) {
  auto now = ranks(4);
  now[1].state = State::stopped;
  for (const int r : {0, 2, 3}) now[r].awaits = {1}, now[r].phase = "exchange", now[r].phase_seconds = 60;
  const auto findings = diagnose_now(now);
  expect_one(findings, Trouble::stopped, {1}, "n2");
  EXPECT_EQ(findings[0].text,
            "rank 1 on n2 is stopped by a signal in forward of step 11; 3 ranks wait for it");
}

TEST(Diagnosis, CallsARankStuckOnlyFarBeyondItsOwnPaceAndWhenOthersWait) {
  auto now = ranks(2);
  now[1].phase = "data", now[1].phase_seconds = 5, now[1].usual_seconds = 0.1, now[1].on_disk = true;
  EXPECT_TRUE(diagnose_now(now).empty()) << "nobody waits for it";
  now[0].awaits = {1};
  const auto findings = diagnose_now(now);
  expect_one(findings, Trouble::stuck, {1}, "n2");
  EXPECT_NE(findings[0].text.find("waiting for a disk"), std::string::npos);
  now[1].usual_seconds = 0.6;
  EXPECT_TRUE(diagnose_now(now).empty()) << "it has taken longer than half a second before";
  now[1].usual_seconds = 0;
  EXPECT_TRUE(diagnose_now(now).empty()) << "nobody knows how long it takes";
}

TEST(Diagnosis, CallsARankThatUsesNoCpuStuckSoonerAndNeverSlow) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000, status.ready = true, status.cores = 1;
  now[0].awaits = now[2].awaits = {1};
  now[1].phase_seconds = 2.5, now[1].usual_seconds = 0.5;
  now[1].ready = false, now[1].cores = 0, now[1].idle_seconds = 1;
  EXPECT_TRUE(diagnose_now(now).empty()) << "for a second only";
  now[1].idle_seconds = 2;
  expect_one(diagnose_now(now), Trouble::stuck, {1}, "n2");
  now[1].ready = true, now[1].cores = 1, now[1].idle_seconds = 0;
  expect_one(diagnose_now(now), Trouble::slow_compute, {1}, "n2");
}

TEST(Diagnosis, NamesAnIdleRankInAPhaseThatItHasNeverFinished) {
  auto now = ranks(3);
  for (auto& status : now) status.step_ms = 6000;
  now[0].awaits = now[2].awaits = {1};
  now[1].phase = "checkpoint", now[1].phase_seconds = 3, now[1].usual_seconds = 0, now[1].idle_seconds = 3;
  expect_one(diagnose_now(now), Trouble::slow_compute, {1}, "n2");
}

TEST(Diagnosis, CountsThoseThatWaitForTooManyToList) {
  auto now = ranks(3);
  now[0].awaits = now[2].awaits = {RankStatus::many};
  now[1].phase = "data", now[1].phase_seconds = 5;
  const auto findings = diagnose_now(now);
  expect_one(findings, Trouble::stuck, {1}, "n2");
  EXPECT_NE(findings[0].text.find("2 ranks wait for it"), std::string::npos);
}

TEST(Diagnosis, GivesDisksTheirTime) {
  auto now = ranks(3);
  now[0].awaits = now[2].awaits = {1};
  now[1].phase = "data", now[1].phase_seconds = 2.5, now[1].usual_seconds = 0.5, now[1].idle_seconds = 2.5;
  now[1].on_disk = true;
  EXPECT_TRUE(diagnose_now(now).empty());
  now[1].on_disk = false;
  expect_one(diagnose_now(now), Trouble::stuck, {1}, "n2");
}

TEST(RankStatus, SurvivesBeingWrittenAndReadAndIsNothingHalfWay) {
  auto status = ranks(1)[0];
  status.awaits = {3, 4};
  status.state = State::stopped;
  status.ready = true, status.cores = 0.5, status.idle_seconds = 7;
  const auto text = to_text(status);
  const auto read = rank_status_from_text(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->awaits, status.awaits);
  EXPECT_EQ(read->state, State::stopped);
  EXPECT_EQ(read->host, "n1");
  EXPECT_TRUE(read->ready);
  EXPECT_EQ(read->cores, 0.5);
  EXPECT_EQ(read->idle_seconds, 7);
  EXPECT_FALSE(rank_status_from_text(text.substr(0, 40)));
  EXPECT_FALSE(rank_status_from_text(""));
}

}  // namespace
}  // namespace lockstep
