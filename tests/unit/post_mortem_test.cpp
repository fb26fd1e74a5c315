// Why a run ended: which rank failed, or that it stopped in order.
#include "launcher/post_mortem.hpp"

#include <gtest/gtest.h>
#include <signal.h>

namespace lockstep {
namespace {

/// Ranks that have ended with these exit codes, one on each of n1, n2, ...
std::vector<RankStatus> ended_with(const std::vector<int>& exit_codes) {
  std::vector<RankStatus> statuses;
  for (const int code : exit_codes) {
    RankStatus status;
    status.rank = static_cast<int>(statuses.size());
    status.host = "n" + std::to_string(status.rank + 1);
    status.state = RankStatus::State::ended;
    status.exit_code = code;
    status.step = 4;
    status.phase = "forward";
    statuses.push_back(status);
  }
  return statuses;
}

constexpr int of_open_mpi = 195;  // the exit code of a rank whose mpirun or daemon is gone

Ending mpirun_lost_by(int signal) {
  return {.status = 128 + signal, .own_signal = signal, .program = "mpirun"};
}

TEST(AnOrderlyStop, IsOneByASignalThatRanksListenTo) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2})
    EXPECT_TRUE(stopped_in_order(ended_with({128 + signal, 128 + signal}), {128 + signal}));
  for (const int code : {0, 3, 5, 128 + SIGKILL, 128 + SIGSEGV, of_open_mpi, 255})
    EXPECT_FALSE(stopped_in_order(ended_with({code, code}), {code})) << code;
}

TEST(AnOrderlyStop, IsNoneWhereMpirunOrARankWasLost) {
  EXPECT_FALSE(stopped_in_order(ended_with({143, 143}), {128 + SIGKILL}))
      << "by the daemons of a dead mpirun";
  EXPECT_FALSE(stopped_in_order(ended_with({143, of_open_mpi}), {205})) << "a daemon has gone";
  EXPECT_FALSE(stopped_in_order(ended_with({143, 143}), mpirun_lost_by(SIGSEGV)));
  auto statuses = ended_with({143, 0});
  statuses[1].signal = SIGKILL;
  EXPECT_FALSE(stopped_in_order(statuses, {143}));
  statuses[1].asked = true;
  EXPECT_TRUE(stopped_in_order(statuses, {143})) << "it took too long to save";
}

TEST(Failures, NameMpirunOrTheHostOfItsDaemonThatWasLost) {
  const auto all = failures_in(ended_with({of_open_mpi, of_open_mpi}));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].host, "") << "no host is to blame";
  EXPECT_EQ(
      all[0].text,
      "mpirun was lost, in forward of step 5: it was killed or has crashed (exit code 195 of Open MPI in "
      "rank 0)");
  auto statuses = ended_with({143, of_open_mpi});
  statuses[0].asked = true;
  const auto one = failures_in(statuses);
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].host, "n2");
  EXPECT_EQ(one[0].ranks, std::vector<int>{1});
  EXPECT_EQ(one[0].text.find("mpirun's daemon on n2 was lost"), 0U) << one[0].text;
  statuses[1].asked = true;
  EXPECT_TRUE(failures_in(statuses).empty()) << "all were asked to end";
}

TEST(Failures, OfRanksThatWroteToALostMpirunAreNotTheirs) {
  auto statuses = ended_with({0, 0});
  for (auto& status : statuses) status.signal = SIGPIPE, status.phase = "the end";
  const auto findings = failures_in(statuses);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].text,
            "mpirun was lost, in the end: it was killed or has crashed (signal 13, Broken pipe in rank 0)");
}

TEST(Failures, NameAMpirunThatWasKilledHoweverItsRanksEnded) {
  auto by_us = ended_with({0, 0}), by_pipe = ended_with({0, 3});
  for (auto& status : by_us) status.signal = SIGKILL;
  by_pipe[0].signal = SIGPIPE;
  for (const auto& statuses : {ended_with({0, 0}), ended_with({of_open_mpi, 3}), by_us, by_pipe}) {
    const auto findings = failures_in(statuses, mpirun_lost_by(SIGKILL));
    ASSERT_EQ(findings.size(), 1U) << findings[1].text;
    EXPECT_EQ(findings[0].host, "");
    EXPECT_EQ(findings[0].text,
              "mpirun was lost, in forward of step 5: it was killed or has crashed (signal 9, Killed)");
  }
  EXPECT_EQ(failures_in({}, mpirun_lost_by(SIGKILL))[0].text,
            "mpirun was lost, in start-up: it was killed or has crashed (signal 9, Killed)");
  const auto with_an_error = failures_in(ended_with({4, of_open_mpi}), mpirun_lost_by(SIGSEGV));
  ASSERT_EQ(with_an_error.size(), 2U);
  EXPECT_EQ(with_an_error[1].text, "rank 0 on n1 left with exit code 4 in forward of step 5");
}

}  // namespace
}  // namespace lockstep
