// The reduction in shared memory: every grouping of the ranks into hosts gives the bits of the tree.
#include "collectives/host_reduction.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <numeric>

#include "collectives/all_gather.hpp"
#include "collectives/broadcast.hpp"
#include "collectives/mpi.hpp"
#include "tests/contract/gradients.hpp"

namespace lockstep::contract {
namespace {

constexpr auto deadline = std::chrono::seconds(60);

class HostReductionTest : public testing::Test {
 protected:
  HostReductionTest()
      : transport(MPI_COMM_WORLD, deadline), rank(transport.rank()), world_size(transport.world_size()) {}

  std::vector<Range> shards_of(std::int64_t elements, bool even) const {
    std::vector<Range> shards;
    std::int64_t end = 0;
    for (int r = 0; r < world_size; ++r) {
      auto shard = rank_range(elements, r, world_size);
      if (!even)
        shard = {end,
                 r + 1 == world_size ? elements : std::min(elements, end + elements * (r % 3) / world_size)};
      end = shard.end;
      shards.push_back(shard);
    }
    return shards;
  }

  /// Fills this rank's buffers as a run does: leaf by leaf, and the last leaf from the end of the buffer,
  /// published as it is filled. Then compares every element of the shard with the definition of the tree.
  void expect_tree_sum(HostMemory& host, std::int64_t leaves, std::int64_t elements, std::int64_t bucket,
                       bool even) {
    const auto shards = shards_of(elements, even);
    const auto shard = shards[rank];
    HostReduction reduction(host, {leaves, shards, elements}, bucket);
    std::vector<float> sum(shard.size());
    for (std::uint64_t step = 0; step < 3; ++step) {
      const auto gradient = awkward_floats(step);
      reduction.start(sum.data());
      LeafWalk walk(leaves);
      const auto own = rank_range(leaves, rank, world_size);
      for (auto leaf = own.begin; leaf < own.end; ++leaf) {
        const auto to = walk.push(leaf);
        for (auto i = elements; i-- > 0;) {
          float& place = reduction.buffers()[to.slot][i];
          place = to.adds ? place + gradient(leaf, i) : gradient(leaf, i);
          for (const auto& merge : to.merges)
            reduction.buffers()[merge.left][i] += reduction.buffers()[merge.right][i];
          if (leaf + 1 == own.end && i % 97 == 0) reduction.publish(i);
        }
      }
      std::vector<float*> partial_sums;
      for (const auto& held : walk.held()) partial_sums.push_back(reduction.buffers()[held.slot]);
      reduction.send(partial_sums);
      reduction.finish();
      for (auto i = shard.begin; i < shard.end; ++i) {
        const float expected = reference_sum(gradient, i, 0, leaves);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(sum[i - shard.begin]), std::bit_cast<std::uint32_t>(expected))
            << "element " << i << " of " << elements << ", " << leaves << " leaves, bucket " << bucket;
      }
    }
  }

  void expect_rounded_tree_sum(HostMemory& host, GradientFormat format, std::int64_t leaves,
                               std::int64_t elements, std::int64_t bucket) {
    const auto shards = shards_of(elements, true);
    const auto shard = shards[rank];
    const Rounding rounding{format, 3000};
    HostReduction reduction(host, {leaves, shards, elements, rounding}, bucket);
    std::vector<float> sum(shard.size());
    const auto gradient = moderate_floats();
    // Each left-over node is computed directly from its leaves: the reduction starts from the sums that each
    // rank holds.
    reduction.start(sum.data());
    const auto own = walk_over(leaves, rank_range(leaves, rank, world_size));
    for (const auto& held : own.held()) {
      const auto begin = held.node.index << held.node.level;
      const auto end = std::min(leaves, (held.node.index + 1) << held.node.level);
      for (std::int64_t i = 0; i < elements; ++i)
        reduction.buffers()[held.slot][i] = rounded_sum(gradient, rounding, i, begin, end);
    }
    reduction.send({});
    reduction.finish();
    for (auto i = shard.begin; i < shard.end; ++i) {
      const float expected = rounded_sum(gradient, rounding, i, 0, leaves);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(sum[i - shard.begin]), std::bit_cast<std::uint32_t>(expected))
          << "element " << i;
    }
  }

  MpiTransport transport;
  int rank, world_size;
};

TEST_F(HostReductionTest, GivesTheBitsOfTheTreeWhereRanksShareMemoryAndWhereTheyDoNot) {
  for (const bool share : {true, false}) {
    HostMemory host(transport, share);
    ASSERT_EQ(host.groups().size(), share ? 1U : static_cast<std::size_t>(world_size)) << host.why_not();
    for (const std::int64_t leaves : {1, 2, 3, 5, 8, 12, 33}) {
      expect_tree_sum(host, leaves, 5003, 512, true);
      expect_tree_sum(host, leaves, 4999, 4999, false);
    }
    expect_tree_sum(host, 4, 0, 16, true);
  }
}

TEST_F(HostReductionTest, GivesTheBitsOfTheTreeForEveryDivisionIntoHosts) {
  for (int cut = 1; cut < world_size; ++cut) {
    HostMemory host(transport, [&](int r, int other) { return (r < cut) == (other < cut); });
    ASSERT_EQ(host.groups().size(), 2U) << host.why_not();
    for (const std::int64_t leaves : {2, 7, 16}) expect_tree_sum(host, leaves, 5003, 300, true);
  }
  HostMemory pairs(transport, [&](int r, int other) { return r / 2 == other / 2; });
  for (const std::int64_t leaves : {3, 8, 33}) expect_tree_sum(pairs, leaves, 4999, 700, false);
}

TEST_F(HostReductionTest, RoundsEveryNodeAlikeForEveryDivisionIntoHosts) {
  for (const auto format : {GradientFormat::bf16, GradientFormat::fp16}) {
    for (const int size : {1, 2, 8}) {
      HostMemory host(transport, [&](int r, int other) { return r / size == other / size; });
      expect_rounded_tree_sum(host, format, 12, 5003, 300);
    }
  }
}

TEST_F(HostReductionTest, SharedMemoryIsZeroAtFirstAndSeenByTheWholeGroup) {
  HostMemory host(transport, true);
  const auto block = host.allocate(1000 * static_cast<std::size_t>(world_size));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(block.data()[1000 * rank + i], std::byte{0});
  std::memset(block.data() + 1000 * rank, rank + 1, 1000);
  host.barrier();
  for (int r = 0; r < world_size; ++r) ASSERT_EQ(block.data()[1000 * r + 999], std::byte(r + 1));
}

TEST_F(HostReductionTest, AllGatherCompletesTheBufferOfEveryGroup) {
  HostMemory host(transport, [&](int r, int other) { return r / 3 == other / 3; });
  const auto shards = shards_of(5003, false);
  const auto block = host.allocate(5003);
  for (auto i = shards[rank].begin; i < shards[rank].end; ++i) block.data()[i] = std::byte(i * 7 + rank);
  all_gather(host, block.data(), shards);
  for (int r = 0; r < world_size; ++r) {
    for (auto i = shards[r].begin; i < shards[r].end; ++i) ASSERT_EQ(block.data()[i], std::byte(i * 7 + r));
  }
}

TEST_F(HostReductionTest, SendsWhatTheDocumentSays) {
  HostMemory host(transport, [&](int r, int other) { return r / 2 == other / 2; });
  const std::int64_t elements = 5003, leaves = 12;
  const auto shards = shards_of(elements, true);
  std::vector<float> sum(shards[rank].size());
  HostReduction reduction(host, {leaves, shards, elements}, 512);
  const auto before = transport.sent();
  reduction.start(sum.data());
  reduction.send({});
  reduction.finish();
  const auto& group = host.group();
  const auto partial_sums =
      std::ssize(cover(leaves, {rank_range(leaves, group.first, world_size).begin,
                                rank_range(leaves, group.first + group.size - 1, world_size).end}));
  std::int64_t bytes = 0, messages = 0;
  for (int r = 0; r < world_size; ++r) {
    if (group.has(r) || stand_in(group, r % 2) != rank) continue;
    bytes += 4 * partial_sums * shards[r].size();
    messages += partial_sums * ((shards[r].size() + 511) / 512);
  }
  EXPECT_EQ(transport.sent().bytes - before.bytes, bytes);
  EXPECT_EQ(transport.sent().messages - before.messages, messages);
}

}  // namespace
}  // namespace lockstep::contract
