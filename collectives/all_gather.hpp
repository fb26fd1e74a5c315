// Every rank's part of a buffer, to all ranks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "collectives/host_memory.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// Collective, in place: on entry rank r holds byte_ranges[r] of `buffer`, on return all ranks hold all
/// ranges. The ranges are the same on all ranks, in rank order, and may be empty. `buffer` is the transport's
/// memory. One step: the transport's own all-gather, or each rank sends its range to the N-1 others and
/// receives theirs. Throws CollectiveError.
void all_gather(Transport& transport, void* buffer, std::span<const Range> byte_ranges);

/// Collective: the same for a `buffer` that the ranks of each group share. Every range is sent once to each
/// other group; within a group nothing is sent. On return the buffer of the whole group is complete. Throws
/// CollectiveError.
void all_gather(HostMemory& host, void* buffer, std::span<const Range> byte_ranges);

/// Collective: returns all ranks' bytes, in rank order; sizes may differ. The bytes are host memory whatever
/// the transport. Two steps: sizes, then bytes. Throws CollectiveError.
std::vector<std::vector<std::byte>> gather_bytes(Transport& transport, std::span<const std::byte> bytes);

}  // namespace lockstep
