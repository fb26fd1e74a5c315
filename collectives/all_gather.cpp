#include "collectives/all_gather.hpp"

#include <cassert>
#include <cstdint>

namespace lockstep {

void all_gather(Transport& transport, void* buffer, std::span<const Range> byte_ranges) {
  assert(std::ssize(byte_ranges) == transport.world_size() && in_order(byte_ranges, byte_ranges.back().end));
  if (transport.gather_in_place(buffer, byte_ranges)) return;
  const int rank = transport.rank();
  const int world_size = transport.world_size();
  auto* const bytes = static_cast<std::byte*>(buffer);
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (int distance = 1; distance < world_size;
       ++distance) {  // rotated, so that not all send to rank 0 first
    const int to = (rank + distance) % world_size;
    const int from = (rank + world_size - distance) % world_size;
    const auto& own = byte_ranges[rank];
    const auto& theirs = byte_ranges[from];
    outgoing.push_back({to, bytes + own.begin, static_cast<std::size_t>(own.size())});
    incoming.push_back({from, bytes + theirs.begin, static_cast<std::size_t>(theirs.size())});
  }
  transport.exchange(outgoing, incoming);
}

std::vector<std::vector<std::byte>> gather_bytes(Transport& transport, std::span<const std::byte> bytes) {
  const int rank = transport.rank();
  const int world_size = transport.world_size();
  std::vector<std::int64_t> sizes(world_size);
  std::vector<Range> ranges(world_size);
  constexpr std::int64_t size_bytes = sizeof(std::int64_t);
  for (int r = 0; r < world_size; ++r) ranges[r] = {r * size_bytes, (r + 1) * size_bytes};
  sizes[rank] = std::ssize(bytes);
  auto* memory = static_cast<std::byte*>(transport.scratch(world_size * size_bytes));
  transport.copy(memory + rank * size_bytes, &sizes[rank], size_bytes);
  all_gather(transport, memory, ranges);
  transport.copy(sizes.data(), memory, world_size * size_bytes);

  std::int64_t end = 0;
  for (int r = 0; r < world_size; ++r) {
    ranges[r] = {end, end + sizes[r]};
    end += sizes[r];
  }
  memory = static_cast<std::byte*>(transport.scratch(end));
  transport.copy(memory + ranges[rank].begin, bytes.data(), bytes.size());
  all_gather(transport, memory, ranges);
  std::vector<std::vector<std::byte>> all(world_size);
  for (int r = 0; r < world_size; ++r) {
    all[r].resize(sizes[r]);
    transport.copy(all[r].data(), memory + ranges[r].begin, sizes[r]);
  }
  return all;
}

}  // namespace lockstep
