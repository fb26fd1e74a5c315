#include "worker/watch/rank_report.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "worker/watch/phase_clock.hpp"

namespace lockstep {
namespace {

/// A transport of a single rank; time passes when the test says so.
struct WaitingTransport final : Transport {
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  void exchange(std::span<const Outgoing>, std::span<const Incoming>) override {
    const auto start = Clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    time_waited_ += Clock::now() - start;
  }
  void add_tree(std::span<const float* const>, std::span<const Merge>, float*, std::int64_t,
                GradientFormat) override {}
  void* scratch(std::size_t) override { return nullptr; }
  void copy(void*, const void*, std::size_t) override {}
  void check_peers() override {}
  std::string name() const override { return "waiting"; }
};

double of(const PhaseTimes& times, Phase phase) { return times.ms[static_cast<std::size_t>(phase)]; }

TEST(Phases, WaitingForPeersIsExchangeInWhateverPhaseOfAStep) {
  WaitingTransport transport;
  PhaseClock clock(transport, transport, nullptr);
  clock.begin_step();
  transport.exchange({}, {});
  clock.enter(Phase::update);
  transport.exchange({}, {});
  clock.end_step(1);
  const auto times = clock.total();
  EXPECT_GE(times.exposed_ms, 40);
  EXPECT_DOUBLE_EQ(of(times, Phase::exchange), times.exposed_ms);
  EXPECT_LT(of(times, Phase::update) + of(times, Phase::other), times.exposed_ms / 4);
}

TEST(Phases, WaitingInACheckpointOrAnEvaluationIsTheirs) {
  WaitingTransport transport;
  PhaseClock clock(transport, transport, nullptr);
  clock.begin_step();
  clock.enter(Phase::checkpoint);
  transport.exchange({}, {});
  clock.enter(Phase::evaluation);
  transport.exchange({}, {});
  clock.end_step(1);
  const auto times = clock.total();
  EXPECT_EQ(times.exposed_ms, 0);
  EXPECT_GE(of(times, Phase::checkpoint), 20);
  EXPECT_GE(of(times, Phase::evaluation), 20);
}

TEST(Phases, TwoTransportsWaitTogether) {
  WaitingTransport host, gradients;
  PhaseClock clock(host, gradients, nullptr);
  clock.begin_step();
  host.exchange({}, {});
  gradients.exchange({}, {});
  clock.end_step(1);
  EXPECT_GE(clock.total().exposed_ms, 40);
}

TEST(Phases, ALapIsTheMeanOfTheStepsSinceTheOneBefore) {
  WaitingTransport transport;
  PhaseClock clock(transport, transport, nullptr);
  for (int step = 1; step <= 4; ++step) {
    clock.begin_step();
    clock.enter(Phase::exchange);
    if (step <= 2) transport.exchange({}, {});
    if (step == 2) {
      const auto times = clock.lap();
      EXPECT_GE(times.exposed_ms, 20);
      EXPECT_LT(times.exposed_ms, 40);
    }
    clock.end_step(step);
  }
  EXPECT_EQ(clock.lap().exposed_ms, 0);
  EXPECT_GE(clock.total().exposed_ms, 10);
}

/// The report of a rank that spends `computing_ms` in each computing phase, and `waiting_ms` waiting.
RankReport report(double computing_ms, double waiting_ms) {
  PhaseTimes times;
  for (const auto phase : {Phase::data, Phase::forward, Phase::backward, Phase::update})
    times.ms[static_cast<std::size_t>(phase)] = computing_ms;
  times.ms[static_cast<std::size_t>(Phase::exchange)] = times.exposed_ms = waiting_ms;
  return {0, RankReport::Details{0, times}};
}

TEST(Phases, ColumnsAreMediansAndNameTheRankThatTheOthersWaitFor) {
  const auto columns = phase_columns(std::vector{report(1, 9), report(10, 0), report(2, 8)});
  EXPECT_EQ(columns.at("forward_ms"), 2);
  EXPECT_EQ(columns.at("exposed_ms"), 8);
  EXPECT_EQ(columns.at("checkpoint_ms"), 0);
  EXPECT_EQ(columns.at("slowest_rank"), 1);
  EXPECT_EQ(columns.at("slowest_ms"), 40);
}

TEST(Phases, ReportsCarryTheStateOfSavingBesides) {
  const std::vector<RankReport> reports = {{0, RankReport::Details{0, {}}}, {0, RankReport::Details{2, {}}}};
  EXPECT_EQ(saving_statuses(reports), (std::vector<double>{0, 2}));
  EXPECT_TRUE(phase_columns({}).empty());
  EXPECT_TRUE(phase_columns(std::vector{RankReport{0}}).empty());
  EXPECT_EQ(signal_in(std::vector{RankReport{0}, RankReport{15}}), 15);
}

TEST(Phases, AReportComesBackFromItsNumbers) {
  const auto sent = report(3, 7);
  const auto numbers = numbers_of({9, RankReport::Details{2, sent.details->times}});
  const auto got = report_of(numbers);
  EXPECT_EQ(got.signal, 9);
  ASSERT_TRUE(got.details);
  EXPECT_EQ(got.details->saving_status, 2);
  EXPECT_EQ(got.details->times.ms, sent.details->times.ms);
  EXPECT_EQ(got.details->times.exposed_ms, 7);
  EXPECT_FALSE(report_of(numbers_of({15})).details);
}

TEST(Phases, InWordsTheLargestComesFirstAndWhatIsNothingIsLeftOut) {
  EXPECT_EQ(
      phases_in_words({{"data_ms", 0.5}, {"forward_ms", 30}, {"exchange_ms", 69.5}, {"exposed_ms", 40}}),
      "exchange 70 % (waiting 40 %), forward 30 %, data 0.5 %");
  EXPECT_EQ(phases_in_words(nlohmann::json::object()), "");
}

}  // namespace
}  // namespace lockstep
