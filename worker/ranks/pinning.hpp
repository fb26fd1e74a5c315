// Keeps each rank on cores of its own.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "collectives/transport.hpp"

struct hwloc_topology;

namespace lockstep {

/// The cores of each rank of a host, as "0-3" or "0,2". The cores of `topology` that are in `usable` are
/// divided so that each rank gets cores that are close together (hwloc_distrib). `gpus` has the PCI address
/// of each rank's GPU ("0000:18:00"; "" if it has none): a rank gets cores of the part of the machine that
/// its GPU is attached to, and the ranks of a part divide its cores. If a part has fewer cores than threads,
/// or parts overlap, all cores are divided as without GPUs. Restricts `topology` to `usable`. Empty if the
/// cores cannot be divided.
std::vector<std::string> divide_cores(hwloc_topology* topology, const std::string& usable,
                                      std::span<const std::string> gpus, int threads_per_rank);

/// Collective: divides the cores that the ranks of a host may use by divide_cores() and, with `bind`, binds
/// this process and all threads that it starts later to its part. `hosts`: the name of each rank's host;
/// `local_rank`: the local rank of this one. `gpu`: the PCI address of this rank's GPU, "" if it has none.
/// Binds nothing if the ranks are bound already (their cores differ) or if there are fewer cores than
/// threads. Returns how many cores this rank has, at least 1. If the system does not allow binding, that is
/// no error: the system then places the threads.
int pin_to_own_cores(Transport& transport, std::span<const std::string> hosts, int local_rank,
                     const std::string& gpu, int threads_per_rank, bool bind);

}  // namespace lockstep
