// A planted mistake, for a test of the tests: takes the place of collectives/reduce_scatter.cpp and adds what
// it has first, then what the neighbours send, as a program would that does not keep to the tree.
#include <algorithm>
#include <vector>

#include "collectives/reduce_scatter.hpp"

namespace lockstep {

void reduce_scatter(Transport& transport, std::int64_t leaves, std::span<float* const> own_pieces,
                    std::span<const Range> shards, float* sum) {
  const int rank = transport.rank(), world_size = transport.world_size();
  const auto shard = shards[rank];
  std::fill(sum, sum + shard.size(), 0.0F);
  const auto add = [&](const float* piece) {
    for (std::int64_t i = 0; i < shard.size(); ++i) sum[i] += piece[i];
  };
  for (const float* piece : own_pieces) add(piece + shard.begin);
  std::vector<float> arrived(shard.size());
  for (int distance = 1; distance < world_size; ++distance) {
    const int to = (rank + distance) % world_size, from = (rank + world_size - distance) % world_size;
    const auto pieces = cover(leaves, rank_range(leaves, from, world_size)).size();
    for (std::size_t i = 0; i < std::max(pieces, own_pieces.size()); ++i) {
      std::vector<Outgoing> outgoing;
      std::vector<Incoming> incoming;
      const auto there = shards[to];
      if (i < own_pieces.size())
        outgoing.push_back({to, own_pieces[i] + there.begin, sizeof(float) * there.size()});
      if (i < pieces) incoming.push_back({from, arrived.data(), sizeof(float) * arrived.size()});
      transport.exchange(outgoing, incoming);
      if (i < pieces) add(arrived.data());
    }
  }
}

}  // namespace lockstep
