// What every transport must do, and the collectives on it. Instantiate it with a type that has
//   transport(): the Transport, made anew for every test;  allocate(bytes): memory of that transport.
// Its reason_to_skip() says, on all ranks alike, what hardware is missing, and is empty otherwise.
#pragma once

#include <atomic>
#include <bit>
#include <vector>

#include "collectives/all_gather.hpp"
#include "collectives/broadcast.hpp"
#include "collectives/mpi.hpp"
#include "collectives/reduce_scatter.hpp"
#include "tests/contract/transport_fixture.hpp"

namespace lockstep::contract {

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
      // Two messages to each peer, which must match in order whatever their lengths.
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
