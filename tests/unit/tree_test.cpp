// The tree is compared with its recursive definition as an expression, so that the order is checked as well
// as the value.
#include "collectives/tree.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "collectives/add_tree.hpp"
#include "common/error.hpp"
#include "tests/contract/gradients.hpp"

namespace lockstep {
namespace {

constexpr int leaves_max = 64;
constexpr int world_size_max = 70;

std::string leaf(std::int64_t i) { return std::to_string(i); }

std::string sum(const std::string& left, const std::string& right) { return "(" + left + "+" + right + ")"; }

// The left child of a node takes the largest power of two that is smaller than the number of leaves.
std::string reference(std::int64_t begin, std::int64_t end) {
  if (end - begin == 1) return leaf(begin);
  const auto half = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(end - begin)) / 2);
  return sum(reference(begin, begin + half), reference(begin + half, end));
}

std::int64_t left_over_max(std::int64_t leaves) {
  return leaves < 2 ? 1 : static_cast<std::int64_t>(std::floor(2 * std::log2(static_cast<double>(leaves))));
}

// What a rank does: adds its leaves as they arrive. Returns the left-over nodes from left to right.
std::vector<std::string> add_own_leaves(std::int64_t leaves, Range range) {
  TreeWalk walk(leaves);
  std::vector<std::string> slots(range.size());
  for (auto i = range.begin; i < range.end; ++i) {
    const auto slot = static_cast<std::int32_t>(i - range.begin);
    slots[slot] = leaf(i);
    for (const auto& merge : walk.push({0, i}, slot)) {
      slots[merge.left] = sum(slots[merge.left], slots[merge.right]);
      slots[merge.right] = "free";
    }
    EXPECT_LE(std::ssize(walk.held()), left_over_max(leaves));
  }
  std::vector<std::string> left_over;
  for (const auto& held : walk.held()) left_over.push_back(slots[held.slot]);
  return left_over;
}

TEST(RankRange, CutsTheCountIntoNeighbouringPartsThatDifferByAtMostOne) {
  for (std::int64_t count = 0; count <= leaves_max; ++count) {
    for (int world_size = 1; world_size <= world_size_max; ++world_size) {
      std::int64_t end = 0;
      for (int rank = 0; rank < world_size; ++rank) {
        const auto range = rank_range(count, rank, world_size);
        ASSERT_EQ(range.begin, end);
        ASSERT_GE(range.size(), count / world_size);
        ASSERT_LE(range.size(), (count + world_size - 1) / world_size);
        end = range.end;
      }
      ASSERT_EQ(end, count);
    }
  }
}

TEST(Tree, IsTheSameExpressionForEveryWorldSize) {
  for (std::int64_t leaves = 1; leaves <= leaves_max; ++leaves) {
    const auto expected = reference(0, leaves);
    for (int world_size = 1; world_size <= world_size_max; ++world_size) {
      std::vector<std::string> partial_sums;
      for (int rank = 0; rank < world_size; ++rank) {
        for (auto& partial_sum : add_own_leaves(leaves, rank_range(leaves, rank, world_size)))
          partial_sums.push_back(partial_sum);
      }
      const auto schedule = merge_schedule(leaves, world_size);
      ASSERT_EQ(schedule.size() + 1, partial_sums.size());
      for (const auto& merge : schedule) {
        partial_sums.at(merge.left) = sum(partial_sums.at(merge.left), partial_sums.at(merge.right));
        partial_sums.at(merge.right) = "free";
      }
      ASSERT_EQ(partial_sums.front(), expected) << leaves << " leaves on " << world_size << " ranks";
    }
  }
}

TEST(Tree, OnAStackIsTheSameExpression) {
  for (std::int64_t leaves = 1; leaves <= leaves_max; ++leaves) {
    for (int world_size = 1; world_size <= world_size_max; ++world_size) {
      std::vector<std::string> partial_sums, stack;
      for (int rank = 0; rank < world_size; ++rank) {
        for (auto& partial_sum : add_own_leaves(leaves, rank_range(leaves, rank, world_size)))
          partial_sums.push_back(partial_sum);
      }
      const auto additions = additions_after(std::ssize(partial_sums), merge_schedule(leaves, world_size));
      for (std::size_t p = 0; p < partial_sums.size(); ++p) {
        auto top = partial_sums[p];
        for (auto left = additions[p]; left > 0; --left) {
          top = sum(stack.back(), top);
          stack.pop_back();
        }
        stack.push_back(top);
      }
      ASSERT_EQ(stack, std::vector{reference(0, leaves)})
          << leaves << " leaves on " << world_size << " ranks";
    }
  }
}

TEST(Tree, AdditionsThatLeaveSomethingOverOrSkipANeighbourAreRefused) {
  EXPECT_THROW(additions_after(3, std::vector<Merge>{{0, 1}}), Error);
  EXPECT_THROW(additions_after(3, std::vector<Merge>{{0, 2}, {0, 1}}), Error);
  EXPECT_THROW(additions_after(2, std::vector<Merge>{{1, 0}}), Error);
  EXPECT_THROW(additions_after(0, {}), Error);
}

TEST(TreeSum, IsBitEqualToTheTreeForAnyNumberAndSizeOfPartialSums) {
  const auto gradient = contract::awkward_floats(5);
  for (const std::int64_t leaves : {1, 2, 3, 5, 8, 33, 64}) {
    for (const std::int64_t count : {0, 1, 7, 2048, 5003}) {
      std::vector<std::vector<float>> values(leaves, std::vector<float>(count));
      std::vector<const float*> partial_sums;
      for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
        for (std::int64_t i = 0; i < count; ++i) values[leaf][i] = gradient(leaf, i);
        partial_sums.push_back(values[leaf].data());
      }
      std::vector<float> expected;
      for (std::int64_t i = 0; i < count; ++i) {
        expected.push_back(contract::reference_sum(gradient, i, 0, leaves));
      }
      const auto merges = merge_schedule(leaves, static_cast<int>(leaves));
      const auto before = values;
      for (const auto stores : {Stores::cached, Stores::past_caches}) {
        std::vector<float> sum(count + 8);
        for (const std::ptrdiff_t off : {0, 1}) {  // one of them is not aligned
          add_tree(partial_sums, merges, sum.data() + off, count, GradientFormat::float32, stores);
          EXPECT_EQ(std::memcmp(sum.data() + off, expected.data(), sizeof(float) * count), 0)
              << leaves << " " << count;
        }
      }
      EXPECT_EQ(values, before);
      for (auto& place : values) {  // the result may overwrite any of the partial sums
        auto copies = before;
        for (std::int64_t leaf = 0; leaf < leaves; ++leaf) partial_sums[leaf] = copies[leaf].data();
        float* const there = copies[&place - values.data()].data();
        add_tree(partial_sums, merges, there, count);
        EXPECT_EQ(std::memcmp(there, expected.data(), sizeof(float) * count), 0) << leaves << " " << count;
      }
    }
  }
}

TEST(Tree, CoverNamesTheNodesThatAreLeftOver) {
  for (std::int64_t leaves = 1; leaves <= leaves_max; ++leaves) {
    for (std::int64_t begin = 0; begin < leaves; ++begin) {
      for (std::int64_t end = begin; end <= leaves; ++end) {
        const auto nodes = cover(leaves, {begin, end});
        const auto left_over = add_own_leaves(leaves, {begin, end});
        ASSERT_EQ(nodes.size(), left_over.size());
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          const auto first = nodes[i].index << nodes[i].level;
          const auto last = std::min((nodes[i].index + 1) << nodes[i].level, leaves);
          ASSERT_EQ(left_over[i], reference(first, last));
        }
        ASSERT_LE(std::ssize(nodes), left_over_max(leaves));
      }
    }
  }
}

TEST(Tree, LeavesOneNodePerRankWhenEachHasAPowerOfTwoOfLeaves) {
  for (std::int64_t per_rank = 1; per_rank <= leaves_max; per_rank *= 2) {
    for (int world_size = 1; world_size <= world_size_max; ++world_size) {
      for (int rank = 0; rank < world_size; ++rank) {
        const auto leaves = per_rank * world_size;
        ASSERT_EQ(cover(leaves, rank_range(leaves, rank, world_size)).size(), 1u);
      }
    }
  }
}

TEST(Tree, LeavesNothingToARankWithoutLeaves) {
  EXPECT_TRUE(cover(3, rank_range(3, 0, 4)).empty());
  EXPECT_TRUE(cover(8, {5, 5}).empty());
}

}  // namespace
}  // namespace lockstep
