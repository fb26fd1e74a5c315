#include "worker/data/loader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <thread>

#include "common/error.hpp"
#include "worker/data/threads.hpp"

namespace lockstep {
namespace {

MicroBatch numbered(std::int64_t position) {
  MicroBatch batch;
  batch.share = static_cast<double>(position);
  return batch;
}

class Loaders : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Loaders, testing::Values(0, 1, 2, 5));

TEST_P(Loaders, GiveTheBatchOfEachPositionInTurn) {
  for (const std::int64_t ahead : {1, 3, 40}) {
    Loader loader(numbered, 30, GetParam(), ahead);
    for (std::int64_t i = 0; i < 30; ++i) EXPECT_EQ(loader.get(i).share, static_cast<double>(i));
  }
}

TEST_P(Loaders, StartAgainWhereTheyAreAskedTo) {
  Loader loader(numbered, 1000, GetParam(), 4);
  for (const std::int64_t begin : {500, 10, 10, 12, 990, 0})
    for (auto i = begin; i < begin + 5; ++i) EXPECT_EQ(loader.get(i).share, static_cast<double>(i));
}

TEST_P(Loaders, ThrowWhatTheMakerThrewAtItsPosition) {
  const auto make = [](std::int64_t i) {
    if (i == 3) throw Error(ExitCode::io, "image 3", "cut short");
    return numbered(i);
  };
  Loader loader(make, 10, GetParam(), 8);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(loader.get(i).share, static_cast<double>(i));
  try {
    loader.get(3);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::io);
    EXPECT_STREQ(error.what(), "image 3 (cut short)");
  }
  EXPECT_EQ(loader.get(4).share, 4);
}

TEST_P(Loaders, MakeNoMoreThanIsToBeAhead) {
  std::mutex mutex;
  std::int64_t asked = 0, furthest = 0;
  const auto make = [&](std::int64_t i) {
    const std::lock_guard lock(mutex);
    furthest = std::max(furthest, i - asked);
    return numbered(i);
  };
  Loader loader(make, 1000, GetParam(), 7);
  for (std::int64_t i = 0; i < 300; ++i) {
    loader.get(i);
    const std::lock_guard lock(mutex);
    asked = i;
  }
  EXPECT_LE(furthest, 7 + 1);
}

TEST_P(Loaders, MakeNothingBeyondTheEnd) {
  std::atomic<bool> beyond = false;
  {
    Loader loader([&](std::int64_t i) { return beyond = beyond || i >= 6, numbered(i); }, 6, GetParam(), 50);
    for (std::int64_t i = 0; i < 6; ++i) loader.get(i);
  }
  EXPECT_FALSE(beyond);
}

TEST_P(Loaders, EndWhileTheyAreAtWork) {
  for (int i = 0; i < 50; ++i) {
    Loader loader(numbered, 1 << 30, GetParam(), 16);
    loader.get(i);
  }
}

TEST(Loader, EndsWithTheCallUnderWayAndBeginsNoOther) {
  std::latch begun(1), release(1);
  std::atomic<int> calls = 0;
  const auto make = [&](std::int64_t i) {
    if (++calls == 2) {
      begun.count_down();
      release.wait();
    }
    return numbered(i);
  };
  std::thread releasing;
  {
    Loader loader(make, 1000, 1, 100);
    loader.get(0);
    begun.wait();
    releasing = std::thread([&] { release.count_down(); });
  }  // the loader is destroyed here, at any moment around the release
  releasing.join();
  EXPECT_GE(calls, 2);
}

TEST(Threads, DoEveryNumberOnce) {
  struct Nothing {};
  for (const std::int64_t threads : {1, 3, 100}) {
    std::vector<std::atomic<int>> done(50);
    for_each_on_threads<Nothing>({5, 50}, threads, [&](std::int64_t i, Nothing&) { ++done[i]; });
    for (int i = 0; i < 50; ++i) EXPECT_EQ(done[i], i >= 5);
  }
}

TEST(Threads, PassAnErrorOn) {
  struct Nothing {};
  const auto work = [](std::int64_t i, Nothing&) {
    if (i == 7) throw Error(ExitCode::io, "seven");
  };
  EXPECT_THROW(for_each_on_threads<Nothing>({0, 1000}, 3, work), Error);
  EXPECT_NO_THROW(for_each_on_threads<Nothing>({8, 8}, 3, work));
}

}  // namespace
}  // namespace lockstep
