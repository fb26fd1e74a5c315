#include "collectives/reduce_scatter.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <vector>

namespace lockstep {
namespace {

struct Scatter {
  Transport& transport;
  std::span<float* const> own_partial_sums;
  std::span<const Range> shards;
  std::vector<int> partial_sum_ranks;
  std::vector<Merge> merges;
  Rounding rounding;
};

Range bucket_of(Range shard, std::int64_t round) {
  const auto begin = std::min(shard.begin + round * reduce_scatter_bucket, shard.end);
  return {begin, std::min(begin + reduce_scatter_bucket, shard.end)};
}

std::vector<Outgoing> outgoing_of(const Scatter& job, std::int64_t round) {
  std::vector<Outgoing> outgoing;
  const int rank = job.transport.rank();
  const int world_size = job.transport.world_size();
  for (int distance = 1; distance < world_size;
       ++distance) {  // rotated, so that not all send to rank 0 first
    const int peer = (rank + distance) % world_size;
    const auto bucket = bucket_of(job.shards[peer], round);
    if (bucket.size() == 0) continue;
    for (const float* partial_sum : job.own_partial_sums) {
      outgoing.push_back({peer, partial_sum + bucket.begin, sizeof(float) * bucket.size()});
    }
  }
  return outgoing;
}

// One round: every partial sum's part of my bucket comes here, and is added.
void reduce_bucket(const Scatter& job, std::int64_t round, float* scratch, float* sum) {
  const int rank = job.transport.rank();
  const auto bucket = bucket_of(job.shards[rank], round);
  const auto bytes = sizeof(float) * bucket.size();
  float* const out = sum + (bucket.begin - job.shards[rank].begin);
  std::vector<const float*> partial_sums;
  std::vector<Incoming> incoming;
  auto own = job.own_partial_sums.begin();
  for (const int owner : job.partial_sum_ranks) {
    if (owner == rank) {
      partial_sums.push_back(*own++ + bucket.begin);
      continue;
    }
    partial_sums.push_back(scratch);
    if (bytes > 0) incoming.push_back({owner, scratch, bytes});
    scratch += bucket.size();
  }
  job.transport.exchange(outgoing_of(job, round), incoming);
  const auto rounded = common_part(bucket, {0, job.rounding.end}).size();
  job.transport.add_tree(partial_sums, job.merges, out, rounded, job.rounding.format);
  for (auto& partial_sum : partial_sums) partial_sum += rounded;
  job.transport.add_tree(partial_sums, job.merges, out + rounded, bucket.size() - rounded,
                         GradientFormat::float32);
}

}  // namespace

void reduce_scatter(Transport& transport, std::int64_t leaves, std::span<float* const> own_partial_sums,
                    std::span<const Range> shards, float* sum, Rounding rounding) {
  const int rank = transport.rank();
  const Scatter job{transport,
                    own_partial_sums,
                    shards,
                    ranks_of_partial_sums(leaves, transport.world_size()),
                    merge_schedule(leaves, transport.world_size()),
                    rounding};
  const auto own = std::count(job.partial_sum_ranks.begin(), job.partial_sum_ranks.end(), rank);
  if (own != std::ssize(own_partial_sums) || std::ssize(shards) != transport.world_size()) {
    throw Error(ExitCode::bug,
                "reduce_scatter was given " + std::to_string(own_partial_sums.size()) + " partial sums and " +
                    std::to_string(shards.size()) + " shards",
                "rank " + std::to_string(rank) + " of " + std::to_string(transport.world_size()) + " has " +
                    std::to_string(own) + " left-over nodes of " + std::to_string(leaves) + " micro-batches");
  }
  assert(in_order(shards, std::numeric_limits<std::int64_t>::max()));
  assert(rounding.end >= 0 && (sum != nullptr || shards[rank].size() == 0));
  std::int64_t largest = 0;
  for (const auto& shard : shards) largest = std::max(largest, shard.size());
  const auto partial_sums = std::ssize(job.partial_sum_ranks);
  const auto bucket = std::min(reduce_scatter_bucket, shards[rank].size());
  auto* scratch = static_cast<float*>(transport.scratch(sizeof(float) * bucket * (partial_sums - own)));
  for (std::int64_t round = 0; round * reduce_scatter_bucket < largest; ++round) {
    reduce_bucket(job, round, scratch, sum);
  }
}

}  // namespace lockstep
