// Phases on a GPU whose events complete when the test says so.
#include <gtest/gtest.h>

#include "tests/support/nccl_double/faults.hpp"
#include "worker/watch/phase_clock.hpp"

namespace lockstep {
namespace {

using nccl_double::faults;

struct LonelyTransport final : Transport {
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  void exchange(std::span<const Outgoing>, std::span<const Incoming>) override {}
  void add_tree(std::span<const float* const>, std::span<const Merge>, float*, std::int64_t,
                GradientFormat) override {}
  void* scratch(std::size_t) override { return nullptr; }
  void copy(void*, const void*, std::size_t) override {}
  void check_peers() override {}
  std::string name() const override { return "lonely"; }
  void wait(int milliseconds) { time_waited_ += std::chrono::milliseconds(milliseconds); }
};

double of(const PhaseTimes& times, Phase phase) { return times.ms[static_cast<std::size_t>(phase)]; }

double sum_of(const PhaseTimes& times) {
  double sum = 0;
  for (const auto ms : times.ms) sum += ms;
  return sum;
}

class GpuPhases : public testing::Test {
 protected:
  void TearDown() override { faults() = {}; }

  /// The host queues the beginning of `phase`, which the GPU reaches at `milliseconds`.
  void enter(Phase phase, double milliseconds) {
    faults().gpu_milliseconds = milliseconds;
    clock.enter(phase);
  }
  void begin_step(double milliseconds) {
    faults().gpu_milliseconds = milliseconds;
    clock.begin_step();
  }
  void end_step(std::int64_t step, double milliseconds) {
    faults().gpu_milliseconds = milliseconds;
    clock.end_step(step);
  }
  /// Two micro-batches of 2 + 10 + 20 ms each, then 5 and 3 ms.
  void step(std::int64_t number, double at) {
    begin_step(at);
    for (const double begin : {at + 1, at + 33}) {
      enter(Phase::data, begin);
      enter(Phase::forward, begin + 2);
      enter(Phase::backward, begin + 12);
    }
    enter(Phase::exchange, at + 65);
    enter(Phase::update, at + 70);
    end_step(number, at + 73);
  }

  static constexpr double step_ms = 73;
  struct Zero {
    Zero() { faults().gpu_milliseconds = 0; }
  } zero;
  LonelyTransport transport;
  GpuClock gpu;
  PhaseClock clock{transport, transport, nullptr, &gpu};
};

TEST_F(GpuPhases, LastAsLongAsTheGpuTakesWhateverTheHostDoesMeanwhile) {
  step(1, 100);
  const auto times = clock.total();
  EXPECT_NEAR(of(times, Phase::data), 4, 1e-3);
  EXPECT_NEAR(of(times, Phase::forward), 20, 1e-3);
  EXPECT_NEAR(of(times, Phase::backward), 40, 1e-3);
  EXPECT_NEAR(of(times, Phase::exchange), 5, 1e-3);
  EXPECT_NEAR(of(times, Phase::update), 3, 1e-3);
  EXPECT_NEAR(of(times, Phase::other), 1, 1e-3);
  EXPECT_NEAR(sum_of(times), step_ms, 1e-3);
}

TEST_F(GpuPhases, ThatTheGpuHasNotDoneYetAreCountedLater) {
  faults().gpu_is_behind = true;
  step(1, 0);
  EXPECT_EQ(sum_of(clock.lap()), 0);
  faults().gpu_is_behind = false;
  begin_step(step_ms);
  EXPECT_NEAR(sum_of(clock.lap()), step_ms, 1e-3);
}

TEST_F(GpuPhases, AreCountedToTheEndWhenThereAreNoMoreSteps) {
  step(1, 0);
  faults().gpu_is_behind = true;
  step(2, step_ms);
  EXPECT_NEAR(sum_of(clock.total()), step_ms, 1e-3);
}

TEST_F(GpuPhases, WaitingForPeersIsExchangeButNoMoreOfItThanThePhaseTakesOnTheGpu) {
  begin_step(0);
  transport.wait(7);
  enter(Phase::update, 10);
  transport.wait(50);  // while the GPU still works on what was queued before
  enter(Phase::checkpoint, 14);
  transport.wait(6);
  end_step(1, 30);
  const auto times = clock.total();
  EXPECT_NEAR(of(times, Phase::other), 3, 1e-3);
  EXPECT_NEAR(of(times, Phase::update), 0, 1e-3);
  EXPECT_NEAR(of(times, Phase::exchange), 11, 1e-3);
  EXPECT_NEAR(times.exposed_ms, 11, 1e-3);
  EXPECT_NEAR(of(times, Phase::checkpoint), 16, 1e-3);
}

TEST_F(GpuPhases, OfManyStepsAddUpToTheStepsToTheLastMicrosecond) {
  for (std::int64_t number = 0; number < 1000; ++number) step(number + 1, number * step_ms);
  EXPECT_NEAR(sum_of(clock.total()), step_ms, 1e-3);
}

TEST_F(GpuPhases, AreToldOnTheClockOfTheHost) {
  faults().gpu_milliseconds = 250;
  gpu.mark();
  EXPECT_NEAR(std::chrono::duration<double>(*gpu.next() - gpu.start()).count(), 0.25, 1e-6);
  EXPECT_EQ(gpu.next(), std::nullopt);
}

}  // namespace
}  // namespace lockstep
