#include "collectives/broadcast.hpp"

#include <cassert>
#include <vector>

namespace lockstep {

void broadcast(Transport& transport, void* data, std::size_t bytes, int root) {
  const int world_size = transport.world_size();
  assert(root >= 0 && root < world_size);
  const int place = (transport.rank() - root + world_size) % world_size;  // the root's place is 0
  const auto rank_at = [&](int p) { return (p + root) % world_size; };
  // The parent of a place is the place without its lowest set bit; the children add one lower bit.
  int bit = 1;
  while (bit < world_size && (place & bit) == 0) bit <<= 1;
  if (place != 0) {
    const Incoming from_parent{rank_at(place - bit), data, bytes};
    transport.exchange({}, {&from_parent, 1});
  }
  std::vector<Outgoing> to_children;
  for (bit >>= 1; bit > 0; bit >>= 1) {  // the largest subtree first: it has the longest way to go
    if (place + bit < world_size) to_children.push_back({rank_at(place + bit), data, bytes});
  }
  transport.exchange(to_children, {});
}

void barrier(Transport& transport) {
  const int rank = transport.rank();
  const int world_size = transport.world_size();
  auto* const token = static_cast<std::byte*>(transport.scratch(2));
  for (int distance = 1; distance < world_size; distance *= 2) {
    const Outgoing signal{(rank + distance) % world_size, token, 1};
    const Incoming awaited{(rank + world_size - distance) % world_size, token + 1, 1};
    transport.exchange({&signal, 1}, {&awaited, 1});
  }
}

}  // namespace lockstep
