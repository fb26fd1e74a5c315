// tests/regression/planted/flips_weight.cpp replaces this file at link time.
#include <cassert>

#include "collectives/all_gather.hpp"

namespace lockstep {

void all_gather(HostMemory& host, void* buffer, std::span<const Range> byte_ranges) {
  assert(std::ssize(byte_ranges) == host.transport().world_size() &&
         in_order(byte_ranges, byte_ranges.back().end));
  const int rank = host.transport().rank();
  auto* const bytes = static_cast<std::byte*>(buffer);
  const auto size_of = [&](int r) { return static_cast<std::size_t>(byte_ranges[r].size()); };
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (const auto& other : host.groups()) {
    if (other.has(rank)) continue;
    outgoing.push_back({stand_in(other, host.local_rank()), bytes + byte_ranges[rank].begin, size_of(rank)});
    for (int from = other.first; from < other.first + other.size; ++from) {
      if (stand_in(host.group(), from - other.first) == rank)
        incoming.push_back({from, bytes + byte_ranges[from].begin, size_of(from)});
    }
  }
  host.transport().exchange(outgoing, incoming);
  host.barrier();
}

}  // namespace lockstep
