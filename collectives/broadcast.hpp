// One rank's bytes to all ranks, and a barrier.
#pragma once

#include <cstddef>

#include "collectives/transport.hpp"

namespace lockstep {

/// Collective: copies `data` of `root` to all ranks; `bytes` and `root` are the same on all of them. `data`
/// is the transport's memory. A binomial tree: ceil(log2 N) steps; each rank receives once, and the root
/// sends at most ceil(log2 N) times. Throws CollectiveError.
void broadcast(Transport& transport, void* data, std::size_t bytes, int root);

/// Collective: returns when all ranks have called it. Dissemination (Hensgen, Finkel and Manber, 1988):
/// ceil(log2 N) steps of one byte. Throws CollectiveError.
void barrier(Transport& transport);

}  // namespace lockstep
