#include "collectives/host_reduction_plan.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lockstep {
namespace {

/// The leaves of a group of ranks.
Range leaves_of(const RankGroup& group, std::int64_t leaves, int world_size) {
  return {rank_range(leaves, group.first, world_size).begin,
          rank_range(leaves, group.first + group.size - 1, world_size).end};
}

/// The nodes that a group has left over, each with the partial sums of the group that make it.
std::vector<HostReductionPlan::Output> outputs_of(const RankGroup& group, std::int64_t leaves,
                                                  int world_size) {
  std::vector<HostReductionPlan::Output> outputs;
  TreeWalk walk(leaves);
  std::size_t number = 0;
  for (int rank = group.first; rank < group.first + group.size; ++rank) {
    for (const auto& node : cover(leaves, rank_range(leaves, rank, world_size))) {
      // A merge takes the left neighbour's place; what is not merged begins a node of its own.
      outputs.push_back({number, number + 1, {}});
      for (const auto& merge : walk.push(node, static_cast<std::int32_t>(number))) {
        auto right = std::move(outputs.back());
        outputs.pop_back();
        auto& left = outputs.back();
        left.end = right.end;
        left.merges.insert(left.merges.end(), right.merges.begin(), right.merges.end());
        left.merges.push_back(merge);
      }
      ++number;
    }
  }
  for (auto& output : outputs) {
    for (auto& merge : output.merges) {
      merge.left -= static_cast<std::int32_t>(output.begin);
      merge.right -= static_cast<std::int32_t>(output.begin);
    }
  }
  return outputs;
}

}  // namespace

HostReductionPlan::HostReductionPlan(const HostMemory& host, std::int64_t leaves)
    : outputs(outputs_of(host.group(), leaves, host.transport().world_size())) {
  assert(leaves >= 1);
  TreeWalk walk(leaves);
  for (const auto& group : host.groups()) {
    if (group.first == host.group().first) {
      plan_own_group(host, leaves, walk);
    } else {
      plan_other_group(host, group, leaves, walk);
    }
  }
  // The next group's ranks first, so that not all ranks begin with those of the first group.
  const int rank = host.transport().rank();
  std::ranges::rotate(receivers, std::ranges::find_if(receivers, [&](int to) { return to > rank; }));
  assert(merges.size() + 1 == terms.size() && "the terms add up to the root");
}

void HostReductionPlan::plan_own_group(const HostMemory& host, std::int64_t leaves, TreeWalk& walk) {
  const auto& group = host.group();
  int number = 0;
  for (int rank = group.first; rank < group.first + group.size; ++rank) {
    for (const auto& node : cover(leaves, rank_range(leaves, rank, host.transport().world_size())))
      add_term(walk, node, number++);
  }
}

void HostReductionPlan::plan_other_group(const HostMemory& host, const RankGroup& other, std::int64_t leaves,
                                         TreeWalk& walk) {
  const int rank = host.transport().rank();
  const auto nodes = cover(leaves, leaves_of(other, leaves, host.transport().world_size()));
  if (!nodes.empty()) sources.push_back({stand_in(other, host.local_rank()), terms.size(), nodes.size()});
  received_count += std::ssize(nodes);
  for (const auto& node : nodes) add_term(walk, node, received);
  for (int to = other.first; to < other.first + other.size; ++to) {
    if (stand_in(host.group(), to - other.first) == rank) receivers.push_back(to);
  }
}

void HostReductionPlan::add_term(TreeWalk& walk, const TreeNode& node, int term) {
  for (const auto& merge : walk.push(node, static_cast<std::int32_t>(terms.size()))) merges.push_back(merge);
  terms.push_back(term);
}

}  // namespace lockstep
