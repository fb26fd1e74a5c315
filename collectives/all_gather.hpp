// Every rank's part of a buffer to all ranks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "collectives/host_memory.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// Collective: in place; byte_ranges[r] of `buffer` is rank r's on entry, and on return all ranks hold all
/// ranges. The ranges are the same on all ranks, do not overlap, and may be empty. `buffer` is the
/// transport's memory. One step: the transport's own all-gather, or each rank sends its range to the N-1
/// others and receives theirs. Throws CollectiveError.
void all_gather(Transport& transport, void* buffer, std::span<const Range> byte_ranges);

/// Collective: the same where `buffer` is memory that the ranks of a group share: between the groups, once
/// for each, every rank with the ranks that stand for it in the others. Nothing is sent within a group. When
/// it returns, the whole group's buffer is complete. Throws CollectiveError.
void all_gather(HostMemory& host, void* buffer, std::span<const Range> byte_ranges);

/// Collective: all ranks get everybody's bytes, in rank order; sizes may differ. The bytes are host memory
/// whatever the transport. Two steps: sizes, then bytes. Throws CollectiveError.
std::vector<std::vector<std::byte>> gather_bytes(Transport& transport, std::span<const std::byte> bytes);

}  // namespace lockstep
