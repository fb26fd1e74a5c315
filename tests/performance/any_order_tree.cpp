// Replaces collectives/tree.cpp: adds values in the order in which they arrive, so that a rank has one
// left-over sum whatever its share of the micro-batches. The cost of the fixed tree is measured against this.
// Results then depend on the number of ranks, so this is not part of lockstep.
#include "collectives/tree.hpp"
#include "common/error.hpp"

namespace lockstep {

Range rank_range(std::int64_t count, int rank, int world_size) {
  return {count * rank / world_size, count * (rank + 1) / world_size};
}

std::vector<Merge> TreeWalk::push(TreeNode node, std::int32_t slot) {
  if (!held_.empty()) return {{held_.back().slot, slot}};
  held_.push_back({node, slot});
  return {};
}

LeafWalk::Step LeafWalk::push(std::int64_t leaf) {
  const bool first = walk_.held().empty();
  used_.assign(1, true);
  walk_.push({0, leaf}, 0);
  return {0, !first, {}};
}

LeafWalk walk_over(std::int64_t leaves, Range range) {
  LeafWalk walk(leaves);
  for (auto leaf = range.begin; leaf < range.end; ++leaf) walk.push(leaf);
  return walk;
}

std::vector<TreeNode> cover(std::int64_t, Range range) {
  if (range.size() == 0) return {};
  return {{0, range.begin}};
}

std::vector<Merge> merge_schedule(std::int64_t leaves, int world_size) {
  std::vector<Merge> schedule;
  std::int32_t piece = 0;
  for (int rank = 0; rank < world_size; ++rank) {
    if (cover(leaves, rank_range(leaves, rank, world_size)).empty()) continue;
    if (piece > 0) schedule.push_back({0, piece});
    ++piece;
  }
  return schedule;
}

std::vector<std::int32_t> additions_after(std::int64_t, std::span<const Merge>) {
  throw Error(ExitCode::bug, "sums in any order are measured on CPUs only");
}

}  // namespace lockstep
