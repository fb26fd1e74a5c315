// The sum of all ranks' gradients along the fixed tree, each rank receiving one part of it.
#pragma once

#include <cstdint>
#include <span>

#include "collectives/transport.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// Elements of a shard that are exchanged and added at a time: bounds the scratch memory, and lets what has
/// arrived be added while it is still in cache (decision 011).
inline constexpr std::int64_t reduce_scatter_bucket = std::int64_t{1} << 18;

/// Collective: sums the `leaves` micro-batches' gradients along the tree of tree.hpp and leaves this rank's
/// part in `sum`. The same bits come out for any world size.
///
/// `own_partial_sums`: the subtree sums that this rank has left over, one array over the whole flat buffer
/// for each node of cover(leaves, rank_range(leaves, rank, world_size)), in that order; none when the rank
/// had no leaves. `shards`: for every rank the elements of the flat buffer that it receives; the same on all
/// ranks; may be empty, may differ in size, and need not cover the buffer. `sum`: shards[rank].size()
/// float32, and no part of own_partial_sums. `rounding`: which elements of the flat buffer are rounded to 16
/// bits at every node of the tree; the partial sums must be so rounded already. Memory: all of it the
/// transport's. own_partial_sums are not changed.
///
/// Sends partial sums x (elements in other ranks' shards) x 4 bytes, rounded or not, in ceil(shard /
/// reduce_scatter_bucket) rounds of one message per partial sum and peer; see docs/collectives.md. Throws
/// CollectiveError, and Error(bug) when the number of partial sums is not the tree's.
void reduce_scatter(Transport& transport, std::int64_t leaves, std::span<float* const> own_partial_sums,
                    std::span<const Range> shards, float* sum, Rounding rounding = {});

}  // namespace lockstep
