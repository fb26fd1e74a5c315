#include "worker/pinning.hpp"

#include <hwloc.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <vector>

#include "common/log.hpp"
#include "worker/agreement.hpp"

namespace lockstep {
namespace {

struct Free {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
  void operator()(hwloc_bitmap_s* cores) const { hwloc_bitmap_free(cores); }
};
using Topology = std::unique_ptr<hwloc_topology, Free>;
using Cores = std::unique_ptr<hwloc_bitmap_s, Free>;

Topology load_topology() {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return nullptr;
  Topology owner(topology);
  return hwloc_topology_load(topology) == 0 ? std::move(owner) : nullptr;
}

std::string in_words(const hwloc_bitmap_s* cores) {
  char text[512];
  hwloc_bitmap_list_snprintf(text, sizeof text, cores);
  return text;
}

/// The cores on which this process may run now; null where the system does not tell.
Cores usable(hwloc_topology* topology) {
  Cores cores(hwloc_bitmap_alloc());
  if (!topology || hwloc_get_cpubind(topology, cores.get(), HWLOC_CPUBIND_PROCESS) != 0) return nullptr;
  return cores;
}

}  // namespace

int pin_to_own_cores(Transport& transport, std::span<const std::string> hosts, int local_rank,
                     int ranks_on_host, int threads_per_rank, bool bind) {
  const auto topology = load_topology();
  const auto cores = usable(topology.get());
  const auto all = gather_texts(transport, cores ? in_words(cores.get()) : "");
  if (!cores) return 1;
  const int count = hwloc_bitmap_weight(cores.get());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (hosts[rank] == host_name() && all[rank] != in_words(cores.get())) return count;
  }
  const int part = std::max(1, count / ranks_on_host);
  if (!bind || count < ranks_on_host * threads_per_rank) return part;
  if (hwloc_topology_restrict(topology.get(), cores.get(), 0) != 0) return part;
  std::vector<hwloc_cpuset_t> parts(ranks_on_host);
  auto root = hwloc_get_root_obj(topology.get());
  if (hwloc_distrib(topology.get(), &root, 1, parts.data(), parts.size(), INT_MAX, 0) != 0) return part;
  const std::vector<Cores> owners(parts.begin(), parts.end());
  if (hwloc_set_cpubind(topology.get(), parts[local_rank], HWLOC_CPUBIND_PROCESS) != 0) return part;
  return std::max(1, hwloc_bitmap_weight(parts[local_rank]));
}

}  // namespace lockstep
