// tests/performance/any_order_tree.cpp replaces this file at link time.
#include "collectives/tree.hpp"

#include <algorithm>
#include <cassert>

#include "common/error.hpp"

namespace lockstep {

Range rank_range(std::int64_t count, int rank, int world_size) {
  assert(count >= 0 && rank >= 0 && rank < world_size);
  return {count * rank / world_size, count * (rank + 1) / world_size};
}

TreeNode TreeWalk::promoted(TreeNode node) const {
  // A node without a right sibling, and which is not the root, is its parent.
  while (node.index % 2 == 0 && ((node.index + 1) << node.level) >= leaves_ && node.index > 0) {
    node = {node.level + 1, node.index / 2};
  }
  return node;
}

std::vector<Merge> TreeWalk::push(TreeNode node, std::int32_t slot) {
  assert(node.level >= 0 && node.index >= 0 && (node.index << node.level) < leaves_);
  std::vector<Merge> merges;
  node = promoted(node);
  while (!held_.empty() && node.index % 2 == 1 && held_.back().node.level == node.level &&
         held_.back().node.index == node.index - 1) {
    merges.push_back({held_.back().slot, slot});
    slot = held_.back().slot;
    node = promoted({node.level + 1, node.index / 2});
    held_.pop_back();
  }
  held_.push_back({node, slot});
  return merges;
}

LeafWalk::Step LeafWalk::push(std::int64_t leaf) {
  assert(leaf >= 0);
  const auto slot = static_cast<std::int32_t>(std::ranges::find(used_, false) - used_.begin());
  Step step{slot, false, walk_.push({0, leaf}, slot)};
  if (step.merges.empty()) {
    if (slot == slots()) used_.push_back(true);
    used_[slot] = true;
    return step;
  }
  step.slot = step.merges.front().left;
  step.adds = true;
  step.merges.erase(step.merges.begin());
  for (const auto& merge : step.merges) used_[merge.right] = false;
  return step;
}

LeafWalk walk_over(std::int64_t leaves, Range range) {
  LeafWalk walk(leaves);
  for (auto leaf = range.begin; leaf < range.end; ++leaf) walk.push(leaf);
  return walk;
}

std::vector<TreeNode> cover(std::int64_t leaves, Range range) {
  TreeWalk walk(leaves);
  for (auto leaf = range.begin; leaf < range.end; ++leaf) walk.push({0, leaf}, 0);
  std::vector<TreeNode> nodes;
  for (const auto& held : walk.held()) nodes.push_back(held.node);
  return nodes;
}

std::vector<Merge> merge_schedule(std::int64_t leaves, int world_size) {
  TreeWalk walk(leaves);
  std::vector<Merge> schedule;
  std::int32_t partial_sum = 0;
  for (int rank = 0; rank < world_size; ++rank) {
    for (const auto& node : cover(leaves, rank_range(leaves, rank, world_size))) {
      for (const auto& merge : walk.push(node, partial_sum)) schedule.push_back(merge);
      ++partial_sum;
    }
  }
  return schedule;
}

std::vector<std::int32_t> additions_after(std::int64_t partial_sums, std::span<const Merge> merges) {
  std::vector<std::int32_t> additions(partial_sums), stack;
  auto merge = merges.begin();
  for (std::int32_t partial_sum = 0; partial_sum < partial_sums; ++partial_sum) {
    stack.push_back(partial_sum);
    while (merge != merges.end() && stack.size() > 1 && *merge == Merge{stack.end()[-2], stack.back()}) {
      ++additions[partial_sum];
      ++merge;
      stack.pop_back();
    }
  }
  if (stack.size() == 1 && merge == merges.end()) return additions;
  throw Error(ExitCode::bug,
              std::to_string(merges.size()) + " additions do not add " + std::to_string(partial_sums) +
                  " partial sums",
              "they are not in the order of the tree");
}

}  // namespace lockstep
