// What every transport must do, and the collectives on it. Instantiate it with a type that has
//   transport(): the Transport, made anew for every test;  allocate(bytes): memory of that transport.
// Its reason_to_skip() says, on all ranks alike, what hardware is missing, and is empty otherwise.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "collectives/all_gather.hpp"
#include "collectives/broadcast.hpp"
#include "collectives/mpi.hpp"
#include "collectives/reduce_scatter.hpp"
#include "tests/contract/gradients.hpp"

namespace lockstep::contract {

inline constexpr auto deadline = std::chrono::seconds(60);

/// Memory of the transport with host vectors on the other side.
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

  // Rank r's part grows with (r * 5) % 4, so that some are empty and neighbours differ; what is left goes to
  // the last rank.
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

  // Sums the gradient of `leaves` micro-batches of `count` elements and returns the bits of this rank's
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

  // One failure for the whole array: a fatal one ends the run, so the first wrong element is all that is
  // needed.
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

inline constexpr std::int64_t leaf_counts[] = {1, 2, 3, 5, 6, 7, 8, 12, 16, 33};

TYPED_TEST_SUITE_P(TransportContract);

TYPED_TEST_P(TransportContract, ExchangeBringsEveryMessageToItsPeerInOrder) {
  for (const std::int64_t size : {0, 1, 3, 4097, 900001}) {
    const int n = this->world_size;
    Array<std::uint8_t> sent(*this->under_test, 2 * size * n);
    Array<std::uint8_t> received(*this->under_test, 2 * size * n);
    std::vector<std::uint8_t> values(2 * size * n);
    const auto value = [](int from, int to, std::int64_t i) {
      return static_cast<std::uint8_t>(from * 16 + to + i * 3);
    };
    for (int to = 0; to < n; ++to) {
      for (std::int64_t i = 0; i < 2 * size; ++i) values[2 * size * to + i] = value(this->rank, to, i);
    }
    sent.set(values);
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    for (int peer = 0; peer < n; ++peer) {
      if (peer == this->rank) continue;
      // Two messages to each peer, which match in order however long they are.
      for (const Range part : {Range{0, size / 3}, Range{size / 3, 2 * size}}) {
        const auto offset = 2 * size * peer + part.begin;
        outgoing.push_back({peer, sent.data() + offset, static_cast<std::size_t>(part.size())});
        incoming.push_back({peer, received.data() + offset, static_cast<std::size_t>(part.size())});
      }
    }
    this->transport().exchange(outgoing, incoming);
    const auto arrived = received.get();
    for (int from = 0; from < n; ++from) {
      if (from == this->rank) continue;
      for (std::int64_t i = 0; i < 2 * size; ++i) {
        ASSERT_EQ(arrived[2 * size * from + i], value(from, this->rank, i))
            << "from rank " << from << ", byte " << i;
      }
    }
  }
}

TYPED_TEST_P(TransportContract, ReduceScatterOfWholeNumbersIsExact) {
  for (const auto leaves : leaf_counts) {
    for (const std::int64_t count : {0, 1, 2, 13, 1023, 5000}) {
      this->expect_tree_sum(whole_numbers(), leaves, count, this->even_shards(count));
      this->expect_tree_sum(whole_numbers(), leaves, count, this->uneven_shards(count));
    }
  }
}

TYPED_TEST_P(TransportContract, ReduceScatterOfAwkwardFloatsIsBitEqualToTheTree) {
  for (const auto leaves : leaf_counts) {
    this->expect_tree_sum(awkward_floats(leaves), leaves, 5003, this->even_shards(5003));
    this->expect_tree_sum(awkward_floats(leaves), leaves, 4999, this->uneven_shards(4999));
  }
}

TYPED_TEST_P(TransportContract, ReduceScatterRoundsEveryNodeToTheFormatOfTheGradients) {
  for (const auto format : {GradientFormat::bf16, GradientFormat::fp16}) {
    for (const std::int64_t leaves : {1, 6, 16}) {
      this->expect_tree_sum(moderate_floats(), leaves, 5003, this->uneven_shards(5003), {format, 3001});
      this->expect_tree_sum(moderate_floats(), leaves, 5003, this->even_shards(5003), {format, 5003});
    }
  }
}

TYPED_TEST_P(TransportContract, AwkwardFloatsTellTheTreeFromAnotherOrder) {
  const auto gradient = awkward_floats(8);
  int different = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    float in_arrival_order = 0;
    for (int leaf = 7; leaf >= 0; --leaf) in_arrival_order += gradient(leaf, i);
    different += std::bit_cast<std::uint32_t>(in_arrival_order) !=
                 std::bit_cast<std::uint32_t>(reference_sum(gradient, i, 0, 8));
  }
  EXPECT_GT(different, 100);
}

TYPED_TEST_P(TransportContract, ReduceScatterOfShardsLargerThanABucketIsBitEqualToTheTree) {
  const auto count = this->world_size *
                     (2 * reduce_scatter_bucket / std::max(this->world_size, 2) + reduce_scatter_bucket + 3);
  this->expect_tree_sum(awkward_floats(1), this->world_size, count, this->even_shards(count));
  this->expect_tree_sum(whole_numbers(), this->world_size + 1, count, this->uneven_shards(count));
}

TYPED_TEST_P(TransportContract, ReduceScatterRepeatedAHundredTimesGivesTheSameBits) {
  const auto gradient = awkward_floats(3);
  const auto shards = this->even_shards(3001);
  const auto first = this->reduced(gradient, 7, 3001, shards);
  for (int repetition = 1; repetition < 100; ++repetition) {
    ASSERT_EQ(this->reduced(gradient, 7, 3001, shards), first) << "repetition " << repetition;
  }
}

TYPED_TEST_P(TransportContract, ReduceScatterLeavesItsPartialSumsAlone) {
  const std::int64_t count = 1000;
  const auto shards = this->uneven_shards(count);
  Array<float> partial_sum(*this->under_test, count);
  partial_sum.set(std::vector<float>(count, 1.5F));
  Array<float> sum(*this->under_test, shards[this->rank].size());
  float* const partial_sums[] = {partial_sum.data()};
  reduce_scatter(this->transport(), this->world_size, partial_sums, shards, sum.data());
  const auto after = partial_sum.get();
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(after[i], 1.5F) << "element " << i;
  }
}

TYPED_TEST_P(TransportContract, ReduceScatterRefusesTheWrongNumberOfPartialSums) {
  const auto shards = this->even_shards(10);
  const std::vector<float*> partial_sums(50, nullptr);
  EXPECT_THROW(reduce_scatter(this->transport(), 16, partial_sums, shards, nullptr), Error);
}

TYPED_TEST_P(TransportContract, AllGatherBringsAllRangesToAllRanks) {
  for (const std::int64_t count : {0, 1, 5, 8191, 1000003}) {
    for (const auto& ranges : {this->even_shards(count), this->uneven_shards(count)}) {
      const auto value = [](std::int64_t i) { return static_cast<std::uint8_t>(mixed(i)); };
      std::vector<std::uint8_t> values(count, 0);
      for (auto i = ranges[this->rank].begin; i < ranges[this->rank].end; ++i) values[i] = value(i);
      Array<std::uint8_t> buffer(*this->under_test, count);
      buffer.set(values);
      all_gather(this->transport(), buffer.data(), ranges);
      for (std::int64_t i = 0; i < count; ++i) values[i] = value(i);
      ASSERT_EQ(buffer.get(), values) << count << " bytes";
    }
  }
}

TYPED_TEST_P(TransportContract, BroadcastReachesAllRanksFromEveryRoot) {
  for (int root = 0; root < this->world_size; ++root) {
    for (const std::int64_t count : {0, 1, 1001, 700001}) {
      std::vector<std::uint8_t> values(count);
      for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<std::uint8_t>(mixed(i) + root);
      Array<std::uint8_t> buffer(*this->under_test, count);
      buffer.set(this->rank == root ? values : std::vector<std::uint8_t>(count, 0));
      broadcast(this->transport(), buffer.data(), count, root);
      ASSERT_EQ(buffer.get(), values) << count << " bytes from rank " << root;
    }
  }
}

TYPED_TEST_P(TransportContract, GatherBytesReturnsEverybodysBytesInRankOrder) {
  const auto bytes_of = [](int rank, int round) {
    return std::vector<std::byte>((rank * 7 + round) % 5 * 1001, static_cast<std::byte>(rank + round));
  };
  for (int round = 0; round < 10; ++round) {
    const auto all = gather_bytes(this->transport(), bytes_of(this->rank, round));
    ASSERT_EQ(std::ssize(all), this->world_size);
    for (int r = 0; r < this->world_size; ++r) ASSERT_EQ(all[r], bytes_of(r, round)) << "rank " << r;
  }
}

TYPED_TEST_P(TransportContract, BarrierLetsNobodyGoBeforeAllHaveCome) {
  MPI_Win window;
  int* base = nullptr;
  MPI_Win_allocate_shared(this->rank == 0 ? sizeof(int) : 0, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD,
                          &base, &window);
  MPI_Aint size = 0;
  int unit = 0;
  MPI_Win_shared_query(window, 0, &size, &unit, &base);
  std::atomic_ref<int> arrivals(*base);
  if (this->rank == 0) arrivals = 0;
  MPI_Barrier(MPI_COMM_WORLD);
  for (int round = 1; round <= 200; ++round) {
    ++arrivals;
    barrier(this->transport());
    ASSERT_GE(arrivals.load(), round * this->world_size) << "round " << round;
  }
  MPI_Win_free(&window);
}

TYPED_TEST_P(TransportContract, PeersThatLiveAreNotReported) {
  EXPECT_NO_THROW(this->transport().check_peers());
}

REGISTER_TYPED_TEST_SUITE_P(
    TransportContract, ExchangeBringsEveryMessageToItsPeerInOrder, ReduceScatterOfWholeNumbersIsExact,
    ReduceScatterOfAwkwardFloatsIsBitEqualToTheTree, ReduceScatterRoundsEveryNodeToTheFormatOfTheGradients,
    AwkwardFloatsTellTheTreeFromAnotherOrder, ReduceScatterOfShardsLargerThanABucketIsBitEqualToTheTree,
    ReduceScatterRepeatedAHundredTimesGivesTheSameBits, ReduceScatterLeavesItsPartialSumsAlone,
    ReduceScatterRefusesTheWrongNumberOfPartialSums, AllGatherBringsAllRangesToAllRanks,
    BroadcastReachesAllRanksFromEveryRoot, GatherBytesReturnsEverybodysBytesInRankOrder,
    BarrierLetsNobodyGoBeforeAllHaveCome, PeersThatLiveAreNotReported);

}  // namespace lockstep::contract
