// The automatic size of micro-batches, compared with sizes worked out by hand from the comment in derive.hpp.
#include "configs/derive.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

struct Case {
  std::int64_t batch_size, accumulation, micro_batch_size, per_step;
};

// The largest divisor from 8 to 32 that leaves at least 8 micro-batches in a step; if there is none, the
// smallest divisor from 8 to 32; if there is none either, the largest divisor under 8.
constexpr Case kCases[] = {
    {1, 1, 1, 1},             // under 8: the batch itself
    {7, 1, 7, 1},             //
    {8, 1, 8, 1},             // only 8 divides: one per step
    {16, 1, 8, 2},            // 8 and 16 divide, neither leaves 8: the smaller
    {32, 1, 8, 4},            // the default batch
    {64, 1, 8, 8},            // 8 leaves exactly 8
    {96, 1, 12, 8},           // 8, 12, 16, 24, 32 divide; 12 is the largest that leaves 8
    {100, 1, 10, 10},         // 10, 20, 25 divide; 20 leaves only 5
    {128, 1, 16, 8},          //
    {200, 1, 25, 8},          // 8, 10, 20, 25 divide
    {256, 1, 32, 8},          //
    {250, 1, 25, 10},         // 10, 25 divide
    {1024, 1, 32, 32},        // never above 32
    {1000, 1, 25, 40},        // the largest divisor up to 32
    {1048576, 1, 32, 32768},  // the largest batch
    {11, 1, 11, 1},           // a prime from 8 to 32
    {31, 1, 31, 1},           //
    {37, 1, 1, 37},           // a prime above 32: only 1 divides
    {1009, 1, 1, 1009},       //
    {74, 1, 2, 37},           // 2 x 37: nothing from 8 to 32, the largest under 8 is 2
    {49, 1, 7, 7},            //
    {33, 1, 11, 3},           // 11 alone lies from 8 to 32
    {32, 2, 8, 8},            // with accumulation the step counts: 8 leaves 8, 16 only 4
    {32, 8, 32, 8},           //
    {8, 4, 8, 4},             //
    {16, 8, 16, 8},           //
    {7, 100, 7, 100},         //
    {37, 64, 1, 2368},        //
};

TEST(MicroBatchSize, AutoIsWhatTheRuleGivesByHand) {
  for (const Case& c : kCases) {
    Config config;
    config.training.batch_size = c.batch_size;
    config.training.gradient_accumulation_steps = c.accumulation;
    EXPECT_EQ(resolved_micro_batch_size(config), c.micro_batch_size)
        << c.batch_size << " x " << c.accumulation;
    EXPECT_EQ(micro_batches_per_step(config), c.per_step) << c.batch_size << " x " << c.accumulation;
  }
}

TEST(MicroBatchSize, AutoDividesEveryBatch) {
  Config config;
  for (std::int64_t batch = 1; batch <= 4096; ++batch) {
    config.training.batch_size = batch;
    const std::int64_t size = resolved_micro_batch_size(config);
    EXPECT_TRUE(size >= 1 && size <= 32 && batch % size == 0) << batch << " -> " << size;
  }
}

TEST(MicroBatchSize, IsTakenAsGivenOtherwise) {
  Config config;
  config.training.batch_size = 96;
  config.training.micro_batch_size = 48;
  config.training.gradient_accumulation_steps = 3;
  EXPECT_EQ(resolved_micro_batch_size(config), 48);
  EXPECT_EQ(micro_batches_per_step(config), 6);
}

}  // namespace
}  // namespace lockstep
