// What the tests of a transport share: its memory, shards, and the sum of synthetic gradients over it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "collectives/reduce_scatter.hpp"
#include "tests/contract/gradients.hpp"

namespace lockstep::contract {

inline constexpr auto deadline = std::chrono::seconds(60);

/// Memory of the transport, filled from and read into host vectors.
template <typename Value>
class Array {
 public:
  template <typename UnderTest>
  Array(UnderTest& under_test, std::int64_t size)
      : transport_(under_test.transport()),
        size_(size),
        memory_(under_test.allocate(sizeof(Value) * std::max<std::int64_t>(size, 1))) {}

  void set(const std::vector<Value>& values) {
    transport_.copy(data(), values.data(), sizeof(Value) * size_);
  }
  std::vector<Value> get() const {
    std::vector<Value> values(size_);
    transport_.copy(values.data(), memory_.get(), sizeof(Value) * size_);
    return values;
  }
  Value* data() { return static_cast<Value*>(memory_.get()); }

 private:
  Transport& transport_;
  std::int64_t size_;
  std::shared_ptr<void> memory_;
};

template <typename UnderTest>
class TransportContract : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = UnderTest::reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
    under_test = std::make_unique<UnderTest>(deadline);
    rank = transport().rank();
    world_size = transport().world_size();
  }

  Transport& transport() { return under_test->transport(); }

  std::vector<Range> even_shards(std::int64_t count) const {
    std::vector<Range> shards;
    for (int r = 0; r < world_size; ++r) shards.push_back(rank_range(count, r, world_size));
    return shards;
  }

  // Rank r's shard grows with (r * 5) % 4, so that some shards are empty and neighbours differ; the last rank
  // takes the remainder.
  std::vector<Range> uneven_shards(std::int64_t count) const {
    std::vector<Range> shards;
    std::int64_t end = 0;
    for (int r = 0; r < world_size; ++r) {
      const auto size =
          r + 1 == world_size ? count - end : std::min(count - end, count * (r * 5 % 4) / (2 * world_size));
      shards.push_back({end, end + size});
      end += size;
    }
    return shards;
  }

  // Reduces the gradients of `leaves` micro-batches of `count` elements; returns the bits of this rank's
  // shard.
  std::vector<std::uint32_t> reduced(const Gradient& gradient, std::int64_t leaves, std::int64_t count,
                                     const std::vector<Range>& shards, Rounding rounding = {}) {
    const auto range = rank_range(leaves, rank, world_size);
    std::vector<Array<float>> slots;
    std::vector<float*> slot_data;
    TreeWalk walk(leaves);
    for (auto leaf = range.begin; leaf < range.end; ++leaf) {
      std::vector<float> values(count);
      for (std::int64_t i = 0; i < count; ++i) values[i] = rounded_sum(gradient, rounding, i, leaf, leaf + 1);
      slots.emplace_back(*under_test, count);
      slots.back().set(values);
      slot_data.push_back(slots.back().data());
      for (const auto& merge : walk.push({0, leaf}, static_cast<std::int32_t>(leaf - range.begin))) {
        const float* const both[] = {slot_data[merge.left], slot_data[merge.right]};
        const Merge one[] = {{0, 1}};
        transport().add_tree(both, one, slot_data[merge.left], rounding.end, rounding.format);
        const float* const rests[] = {both[0] + rounding.end, both[1] + rounding.end};
        transport().add_tree(rests, one, slot_data[merge.left] + rounding.end, count - rounding.end,
                             GradientFormat::float32);
      }
    }
    std::vector<float*> partial_sums;
    for (const auto& held : walk.held()) partial_sums.push_back(slot_data[held.slot]);
    Array<float> sum(*under_test, shards[rank].size());
    reduce_scatter(transport(), leaves, partial_sums, shards, sum.data(), rounding);
    std::vector<std::uint32_t> bits;
    for (const float value : sum.get()) bits.push_back(std::bit_cast<std::uint32_t>(value));
    return bits;
  }

  // Reports one failure for the whole array: a fatal failure ends the run, so the first wrong element is
  // enough.
  void expect_tree_sum(const Gradient& gradient, std::int64_t leaves, std::int64_t count,
                       const std::vector<Range>& shards, Rounding rounding = {}) {
    const auto bits = reduced(gradient, leaves, count, shards, rounding);
    const auto shard = shards[rank];
    ASSERT_EQ(std::ssize(bits), shard.size());
    for (auto i = shard.begin; i < shard.end; ++i) {
      const float expected = rounded_sum(gradient, rounding, i, 0, leaves);
      ASSERT_EQ(bits[i - shard.begin], std::bit_cast<std::uint32_t>(expected))
          << "element " << i << " of " << count << ", " << leaves << " micro-batches, " << expected;
    }
  }

  std::unique_ptr<UnderTest> under_test;
  int rank = 0;
  int world_size = 1;
};

}  // namespace lockstep::contract
