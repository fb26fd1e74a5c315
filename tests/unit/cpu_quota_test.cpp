#include "common/cpu_quota.hpp"

#include <gtest/gtest.h>

#include "tests/unit/scratch_folder.hpp"

namespace lockstep {
namespace {

/// A folder that looks like / on a machine with these control groups.
struct Machine : ScratchFolder {
  explicit Machine(const std::string& groups) { write("proc/self/cgroup", groups); }
  void group(const std::string& file, const std::string& text) const { write("sys/fs/cgroup/" + file, text); }
};

TEST(CpuQuota, IsNoneWhereNothingLimits) {
  EXPECT_EQ(cpu_quota("/no such folder"), std::nullopt);
  const Machine machine("0::/user.slice\n");
  EXPECT_EQ(cpu_quota(machine.path()), std::nullopt);
  machine.group("user.slice/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(machine.path()), std::nullopt);
  EXPECT_EQ(within_quota(8, machine.path()), 8);
}

TEST(CpuQuota, IsTheLeastOfAGroupOfVersion2AndThoseAboveIt) {
  const Machine machine("0::/job/step\n");
  machine.group("job/step/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_quota(machine.path()), 4);
  machine.group("job/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(machine.path()), 2.5);
  EXPECT_EQ(within_quota(8, machine.path()), 2) << "a third rank would have to wait";
  EXPECT_EQ(within_quota(1, machine.path()), 1);
}

TEST(CpuQuota, IsFoundInAContainerWhoseGroupIsMountedAsTheTop) {
  const Machine machine("12:memory:/docker/0a1b\n5:cpu,cpuacct:/docker/0a1b\n");
  machine.group("cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  machine.group("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(machine.path()), 0.5);
  EXPECT_EQ(within_quota(8, machine.path()), 1) << "at least";
}

TEST(CpuQuota, OfVersion1MayBeNone) {
  const Machine machine("5:cpuacct,cpu:/a\n");
  machine.group("cpu/a/cpu.cfs_quota_us", "-1\n");
  machine.group("cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(machine.path()), std::nullopt);
  machine.group("cpu/a/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(machine.path()), 3);
}

}  // namespace
}  // namespace lockstep
