// Keeps each rank on cores of its own.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "collectives/transport.hpp"

struct hwloc_topology;

namespace lockstep {

/// The cores of each rank of a host, "0-3" or "0,2": all those of `topology` that are in `usable`, divided
/// among the ranks with those that lie together in the machine for each (hwloc_distrib). With `gpus`, the PCI
/// address of each rank's GPU ("0000:18:00"; "" where it has none), a rank gets cores of the part of the
/// machine its GPU is attached to, which the ranks of that part divide. Where a part has fewer cores than
/// threads, or parts overlap, the whole is divided as without GPUs. Restricts `topology` to `usable`. Empty
/// where it cannot be divided.
std::vector<std::string> divide_cores(hwloc_topology* topology, const std::string& usable,
                                      std::span<const std::string> gpus, int threads_per_rank);

/// Collective: divides the cores that the ranks of a host may use among them by divide_cores(), and with
/// `bind` binds the process to its part, with all threads that it starts later. `hosts`: the name of each
/// rank's host; this is rank `local_rank` of its own. `gpu`: the PCI address of this rank's GPU, "" where it
/// has none. Nothing is bound where somebody has bound the ranks already (their cores differ), or where there
/// are fewer cores than threads. Returns how many cores this rank has, at least 1. A system that does not let
/// it is no error: the system then places the threads.
int pin_to_own_cores(Transport& transport, std::span<const std::string> hosts, int local_rank,
                     const std::string& gpu, int threads_per_rank, bool bind);

}  // namespace lockstep
