#include "worker/ranks/pinning.hpp"

#include <hwloc.h>

#include <algorithm>
#include <climits>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "common/cpu_quota.hpp"
#include "common/log.hpp"
#include "worker/ranks/agreement.hpp"

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
  hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);  // GPUs
  return hwloc_topology_load(topology) == 0 ? std::move(owner) : nullptr;
}

std::string in_words(const hwloc_bitmap_s* cores) {
  char text[512];
  hwloc_bitmap_list_snprintf(text, sizeof text, cores);
  return text;
}

Cores cores_in(const std::string& words) {
  Cores cores(hwloc_bitmap_alloc());
  hwloc_bitmap_list_sscanf(cores.get(), words.c_str());
  return cores;
}

/// The cores on which this process may run now; null if the system does not tell.
Cores usable_cores(hwloc_topology* topology) {
  Cores cores(hwloc_bitmap_alloc());
  if (!topology || hwloc_get_cpubind(topology, cores.get(), HWLOC_CPUBIND_PROCESS) != 0) return nullptr;
  return cores;
}

/// The cores of `usable` in the part of the machine that the GPU is attached to; all of them if hwloc does
/// not know it.
Cores cores_near(hwloc_topology* topology, const std::string& gpu, const Cores& usable) {
  const auto device = gpu.empty() ? nullptr : hwloc_get_pcidev_by_busidstring(topology, (gpu + ".0").c_str());
  const auto part = device ? hwloc_get_non_io_ancestor_obj(topology, device) : nullptr;
  Cores cores(hwloc_bitmap_dup(usable.get()));
  if (part && part->cpuset && hwloc_bitmap_intersects(part->cpuset, usable.get()))
    hwloc_bitmap_and(cores.get(), part->cpuset, usable.get());
  return cores;
}

/// Divides `cores` among `ranks` ranks and returns the cores of each; empty if hwloc fails.
std::vector<std::string> divide_evenly(hwloc_topology* topology, const Cores& cores, std::size_t ranks) {
  std::vector<hwloc_obj_t> roots(hwloc_bitmap_weight(cores.get()));
  const int count = hwloc_get_largest_objs_inside_cpuset(topology, cores.get(), roots.data(),
                                                         static_cast<int>(roots.size()));
  std::vector<hwloc_cpuset_t> parts(ranks);
  if (count <= 0 || hwloc_distrib(topology, roots.data(), count, parts.data(), parts.size(), INT_MAX, 0) != 0)
    return {};
  const std::vector<Cores> owners(parts.begin(), parts.end());
  std::vector<std::string> words;
  for (const auto* part : parts) words.push_back(in_words(part));
  return words;
}

/// Groups the ranks by the cores near their GPUs; all in one group if those parts overlap or are too small.
std::map<std::string, std::vector<std::size_t>> ranks_by_part(hwloc_topology* topology, const Cores& usable,
                                                              std::span<const std::string> gpus,
                                                              int threads_per_rank) {
  std::map<std::string, std::vector<std::size_t>> parts;
  for (std::size_t rank = 0; rank < gpus.size(); ++rank)
    parts[in_words(cores_near(topology, gpus[rank], usable).get())].push_back(rank);
  const Cores taken(hwloc_bitmap_alloc());
  bool fits = true;
  for (const auto& [words, ranks] : parts) {
    const auto cores = cores_in(words);
    fits = fits && !hwloc_bitmap_intersects(taken.get(), cores.get()) &&
           hwloc_bitmap_weight(cores.get()) >= std::ssize(ranks) * threads_per_rank;
    hwloc_bitmap_or(taken.get(), taken.get(), cores.get());
  }
  if (fits) return parts;
  std::vector<std::size_t> all(gpus.size());
  std::iota(all.begin(), all.end(), 0);
  return {{in_words(usable.get()), all}};
}

}  // namespace

std::vector<std::string> divide_cores(hwloc_topology* topology, const std::string& usable,
                                      std::span<const std::string> gpus, int threads_per_rank) {
  const auto cores = cores_in(usable);
  const auto parts = ranks_by_part(topology, cores, gpus, threads_per_rank);
  if (hwloc_topology_restrict(topology, cores.get(), 0) != 0) return {};
  std::vector<std::string> of_ranks(gpus.size());
  for (const auto& [words, ranks] : parts) {
    const auto divided = divide_evenly(topology, cores_in(words), ranks.size());
    if (divided.empty()) return {};
    for (std::size_t i = 0; i < ranks.size(); ++i) of_ranks[ranks[i]] = divided[i];
  }
  return of_ranks;
}

int pin_to_own_cores(Transport& transport, std::span<const std::string> hosts, int local_rank,
                     const std::string& gpu, int threads_per_rank, bool bind) {
  const auto topology = load_topology();
  const auto cores = usable_cores(topology.get());
  const auto own = cores ? in_words(cores.get()) : "";
  const auto all_cores = gather_texts(transport, own);
  const auto all_gpus = gather_texts(transport, gpu);
  if (!cores) return 1;
  const int count = within_quota(hwloc_bitmap_weight(cores.get()));
  std::vector<std::string> gpus;  // of the ranks of this host
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    if (hosts[rank] != host_name()) continue;
    if (all_cores[rank] != own) return count;
    gpus.push_back(all_gpus[rank]);
  }
  const int ranks = static_cast<int>(gpus.size());
  const int part = std::max(1, count / ranks);
  if (!bind || count < ranks * threads_per_rank) return part;
  const auto divided = divide_cores(topology.get(), own, gpus, threads_per_rank);
  if (divided.empty()) return part;
  const auto mine = cores_in(divided[static_cast<std::size_t>(local_rank)]);
  if (hwloc_set_cpubind(topology.get(), mine.get(), HWLOC_CPUBIND_PROCESS) != 0) return part;
  return std::clamp(hwloc_bitmap_weight(mine.get()), 1, part);
}

}  // namespace lockstep
