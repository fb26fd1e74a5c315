// Keeps each rank on cores of its own.
#pragma once

#include <span>
#include <string>

#include "collectives/transport.hpp"

namespace lockstep {

/// Collective: divides the cores that the ranks of a host may use among them, `local_rank` of `ranks_on_host`
/// getting a part that lies together in the machine (hwloc_distrib), and with `bind` binds the process to it,
/// with all threads that it starts later. `hosts`: the name of each rank's host. Nothing is bound where
/// somebody has bound the ranks already (their cores differ), or where there are fewer cores than threads.
/// Returns how many cores this rank has, at least 1. A system that does not let it is no error: the system
/// then places the threads.
int pin_to_own_cores(Transport& transport, std::span<const std::string> hosts, int local_rank,
                     int ranks_on_host, int threads_per_rank, bool bind);

}  // namespace lockstep
