// How the cores of a host are divided among its ranks, on a machine of two packages with GPUs at each.
#include "worker/ranks/pinning.hpp"

#include <gtest/gtest.h>
#include <hwloc.h>

namespace lockstep {
namespace {

constexpr int buses_of_package = 0x40;  // package 0 has the buses 0x00 to 0x3f, package 1 those up to 0x7f

/// Two packages of four cores; a GPU for each of these buses.
class Machine {
 public:
  explicit Machine(std::vector<int> buses) {
    hwloc_topology_t plain = nullptr;
    hwloc_topology_init(&plain);
    hwloc_topology_set_synthetic(plain, "package:2 numa:1 core:4 pu:1");
    hwloc_topology_load(plain);
    char* text = nullptr;
    int size = 0;
    hwloc_topology_export_xmlbuffer(plain, &text, &size, 0);
    std::string xml(text);
    hwloc_free_xmlbuffer(plain, text);
    hwloc_topology_destroy(plain);
    const std::string end_of_package = "\n    </object>";
    auto place = xml.find(end_of_package);
    for (const int package : {0, 1}) {
      const auto bridge = bridge_of(package, buses);
      xml.insert(place, bridge);
      place = xml.find(end_of_package, place + bridge.size() + end_of_package.size());
    }
    hwloc_topology_init(&topology);
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    hwloc_topology_set_xmlbuffer(topology, xml.c_str(), static_cast<int>(xml.size() + 1));
    hwloc_topology_load(topology);
  }
  ~Machine() { hwloc_topology_destroy(topology); }
  Machine(const Machine&) = delete;

  hwloc_topology_t topology = nullptr;

 private:
  static std::string bridge_of(int package, const std::vector<int>& buses) {
    const auto first = std::to_string(package * 4);
    std::string xml = "\n<object type=\"Bridge\" gp_index=\"" + std::to_string(100 + package) +
                      "\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"0000:[" + first + "0-" +
                      std::to_string(package * 4 + 3) + "f]\">";
    for (const int bus : buses) {
      if (bus / buses_of_package != package) continue;
      char gpu[200];
      std::snprintf(gpu, sizeof gpu,
                    "<object type=\"PCIDev\" gp_index=\"%d\" pci_busid=\"0000:%02x:00.0\" "
                    "pci_type=\"0302 [10de:2330] [10de:16c1] a1\" pci_link_speed=\"31.5\"/>",
                    200 + bus, bus);
      xml += gpu;
    }
    return xml + "</object>";
  }
};

using Parts = std::vector<std::string>;

Parts divide(Machine& machine, const std::string& usable, const Parts& gpus, int threads_per_rank = 1) {
  return divide_cores(machine.topology, usable, gpus, threads_per_rank);
}

TEST(DivideCores, GivesRanksWithoutGpusWhatLiesTogether) {
  Machine machine({});
  EXPECT_EQ(divide(machine, "0-7", {"", "", "", ""}), (Parts{"0-1", "2-3", "4-5", "6-7"}));
}

TEST(DivideCores, GivesEachRankCoresOfTheGpusOwnPackage) {
  Machine machine({0x18, 0x2a, 0x5d, 0x6a});
  EXPECT_EQ(divide(machine, "0-7", {"0000:5d:00", "0000:18:00", "0000:6a:00", "0000:2a:00"}),
            (Parts{"4-5", "0-1", "6-7", "2-3"}))
      << "GPUs may be numbered in another order than packages";
}

TEST(DivideCores, LeavesAPackageIdleThatHasNoGpu) {
  Machine machine({0x5d, 0x6a});
  EXPECT_EQ(divide(machine, "0-7", {"0000:5d:00", "0000:6a:00"}), (Parts{"4-5", "6-7"}));
}

TEST(DivideCores, UsesOnlyCoresThatMayBeUsed) {
  Machine machine({0x18, 0x5d});
  EXPECT_EQ(divide(machine, "2-5", {"0000:18:00", "0000:5d:00"}), (Parts{"2-3", "4-5"}));
  Machine other({0x18, 0x5d});
  EXPECT_EQ(divide(other, "0-3", {"0000:5d:00"}), (Parts{"0-3"})) << "none of its package may be used";
}

TEST(DivideCores, DividesTheWholeWhereAPackageHasFewerCoresThanThreads) {
  Machine machine({0x18, 0x19, 0x1a});
  EXPECT_EQ(divide(machine, "0-7", {"0000:18:00", "0000:19:00", "0000:1a:00"}, 2).size(), 3u);
  Machine other({0x18, 0x19});
  EXPECT_EQ(divide(other, "0-7", {"0000:18:00", "0000:19:00"}, 4), (Parts{"0-3", "4-7"}));
}

TEST(DivideCores, DividesTheWholeWhereAGpuIsNowhereToBeFound) {
  Machine machine({0x18});
  EXPECT_EQ(divide(machine, "0-7", {"0000:18:00", "0000:f0:00"}), (Parts{"0-3", "4-7"}));
}

}  // namespace
}  // namespace lockstep
