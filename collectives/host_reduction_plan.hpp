// Which partial sums a rank adds, sends and receives when hosts reduce together: the same in every step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collectives/host_memory.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// Derived from the number of micro-batches and the groups alone, so all ranks have matching plans. "The
/// group's partial sums" are those of its ranks, in tree order.
struct HostReductionPlan {
  /// `leaves`: micro-batches of a step. For the calling rank.
  HostReductionPlan(const HostMemory& host, std::int64_t leaves);

  /// A node that the group has left over for others: its partial sums [begin, end), and how they are added.
  struct Output {
    std::size_t begin, end;
    std::vector<Merge> merges;
  };
  std::vector<Output> outputs;
  /// The ranks of other groups to which this rank sends the outputs' part of their shards, in order of
  /// sending.
  std::vector<int> receivers;

  /// Of each other group the rank that sends to this one, and which of `terms` those are.
  struct Source {
    int rank;
    std::size_t first, count;
  };
  std::vector<Source> sources;
  /// What this rank adds up for its own shard, in tree order: numbers of the group's partial sums, or
  /// `received` for what a source sends.
  std::vector<int> terms;
  static constexpr int received = -1;
  std::int64_t received_count = 0;
  std::vector<Merge> merges;  ///< of `terms`

 private:
  void plan_other_group(const HostMemory& host, const RankGroup& other, std::int64_t leaves, TreeWalk& walk);
  void plan_own_group(const HostMemory& host, std::int64_t leaves, TreeWalk& walk);
  void add_term(TreeWalk& walk, const TreeNode& node, int term);
};

}  // namespace lockstep
