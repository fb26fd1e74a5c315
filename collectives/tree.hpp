// The fixed binary tree over the micro-batches of a step. It depends on their number alone, never on the
// world size: docs/numerics.md proves that the sum of every node is the same whoever computes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// Half-open range [begin, end).
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// The intersection of `a` and `b`; empty if there is none.
inline Range common_part(Range a, Range b) {
  const auto begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

/// True when the ranges follow one another within [0, end): they may be empty and leave gaps, but not
/// overlap.
inline bool in_order(std::span<const Range> ranges, std::int64_t end) {
  std::int64_t last = 0;
  for (const auto& range : ranges) {
    if (range.begin < last || range.end < range.begin) return false;
    last = range.end;
  }
  return last <= end;
}

/// The part of [0, count) that `rank` of `world_size` owns: contiguous, in rank order, sizes differ by at
/// most one; empty for some ranks when world_size > count.
Range rank_range(std::int64_t count, int rank, int world_size);

/// A node of the tree: the sum of leaves [index << level, min((index + 1) << level, leaves)). A node whose
/// right child would start at or beyond `leaves` equals its left child and is always named by its highest
/// such ancestor.
struct TreeNode {
  int level = 0;
  std::int64_t index = 0;
  bool operator==(const TreeNode&) const = default;
};

/// One addition: partial sum `left` becomes partial sum `left` + partial sum `right`; `right` is then free.
struct Merge {
  std::int32_t left;
  std::int32_t right;
  bool operator==(const Merge&) const = default;
};

/// Walks the tree from left to right as a streaming binary counter: it is given neighbouring nodes in order,
/// and returns which additions have become possible. The nodes may be the leaves of one rank, or the
/// left-over nodes of all ranks.
class TreeWalk {
 public:
  /// `leaves` >= 1.
  explicit TreeWalk(std::int64_t leaves) : leaves_(leaves) {}

  /// Appends `node`, held in the caller's slot `slot`; it must begin where the previous one ended. Returns
  /// the additions to carry out, in order. After a merge the sum is in slot `left` and slot `right` is free
  /// again.
  std::vector<Merge> push(TreeNode node, std::int32_t slot);

  /// What is left so far, from left to right: at most 2 log2(leaves) nodes for any contiguous range.
  struct Held {
    TreeNode node;
    std::int32_t slot;
  };
  std::span<const Held> held() const { return held_; }

 private:
  TreeNode promoted(TreeNode node) const;

  std::int64_t leaves_;
  std::vector<Held> held_;
};

/// The walk over one rank's leaves, with the buffers that it needs: a leaf whose left neighbour waits is
/// added straight to it and takes no buffer of its own.
class LeafWalk {
 public:
  explicit LeafWalk(std::int64_t leaves) : walk_(leaves) {}

  struct Step {
    std::int32_t slot;          ///< where the leaf's values go
    bool adds;                  ///< they are added to what is there, else they replace it
    std::vector<Merge> merges;  ///< then, in order, between slots
  };
  /// The next leaf, right of the one before.
  Step push(std::int64_t leaf);

  std::span<const TreeWalk::Held> held() const { return walk_.held(); }
  /// How many slots have been in use at once so far; they are numbered from 0.
  std::int32_t slots() const { return static_cast<std::int32_t>(used_.size()); }

 private:
  TreeWalk walk_;
  std::vector<bool> used_;
};

/// The walk after all leaves of `range`.
LeafWalk walk_over(std::int64_t leaves, Range range);

/// The nodes that remain when one rank has added all it can of its `range`, from left to right.
std::vector<TreeNode> cover(std::int64_t leaves, Range range);

/// The rank that holds each left-over node of all ranks, from left to right over the tree.
inline std::vector<int> ranks_of_partial_sums(std::int64_t leaves, int world_size) {
  std::vector<int> ranks;
  for (int rank = 0; rank < world_size; ++rank)
    ranks.insert(ranks.end(), cover(leaves, rank_range(leaves, rank, world_size)).size(), rank);
  return ranks;
}

/// The additions that turn all ranks' left-over nodes, numbered from left to right over the ranks in order,
/// into the root, which ends in partial sum 0.
std::vector<Merge> merge_schedule(std::int64_t leaves, int world_size);

/// The same additions as a stack machine carries them out that pushes the partial sums 0, 1, ... in order:
/// how many times its two topmost become their sum after each push. Throws Error (bug) when `merges` do not
/// add all `partial_sums`, neighbours first to their left.
std::vector<std::int32_t> additions_after(std::int64_t partial_sums, std::span<const Merge> merges);

}  // namespace lockstep
