// On the ghost's NVML (tests/support/ghost_gpu/nvml.cpp). This program is linked to it, so that dlopen()
// finds this one.
#include "common/nvml.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

class NvmlOnGhost : public testing::Test {
 protected:
  NvmlOnGhost() {
    setenv("GHOST_NVML", file_.c_str(), 1);
    tell("gpus 0 2\naddress 0 0000:18:00\naddress 1 0001:c4:00\nuuid 1 GPU-b\n");
  }
  ~NvmlOnGhost() override { std::filesystem::remove(file_); }

  void tell(const std::string& lines) {
    told_ += lines;
    std::ofstream(file_ + ".new") << told_;
    std::filesystem::rename(file_ + ".new", file_);
  }

 private:
  std::string file_ = testing::TempDir() + "/ghost-nvml-" + std::to_string(getpid());
  std::string told_;
};

TEST_F(NvmlOnGhost, FindsTheGpusAndTheOneAtAnAddress) {
  const Nvml nvml;
  EXPECT_EQ(nvml.why_not(), "");
  const auto gpus = nvml.gpus();
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].address(), "0000:18:00");
  EXPECT_EQ(gpus[1].uuid(), "GPU-b");
  EXPECT_EQ(gpus[1].name(), "ghost of a GPU");
  ASSERT_TRUE(nvml.gpu_at("0001:c4:00"));
  EXPECT_EQ(nvml.gpu_at("0001:c4:00")->uuid(), "GPU-b");
  EXPECT_FALSE(nvml.gpu_at("0002:c4:00"));
}

TEST_F(NvmlOnGhost, TellsOfAHealthyGpu) {
  const Nvml nvml;
  const auto gpu = nvml.gpu_at("0000:18:00");
  const auto health = gpu->health();
  EXPECT_TRUE(health.told);
  EXPECT_FALSE(health.lost || health.repair_pending || health.repair_failed);
  EXPECT_EQ(health.temperature_celsius, 45);
  EXPECT_EQ(health.power_watts, 250);
  EXPECT_EQ(health.sm_clock_mhz, 1980);
  EXPECT_EQ(health.memory_used_bytes, 1 << 30);
  EXPECT_EQ(health.memory_bytes, 80LL << 30);
  EXPECT_EQ(health.uncorrected_errors, 0);
  EXPECT_EQ(health.driver, "580.00.00");
  EXPECT_EQ(slowed_by(health), "");
  EXPECT_TRUE(gpu->stays_initialised());
  EXPECT_TRUE(gpu->processes().empty());
}

TEST_F(NvmlOnGhost, TellsOfTheTroublesOfOneGpuAndNotOfTheOthers) {
  tell(
      "temperature 1 87\ncorrected 1 12\nuncorrected 1 3\nlifetime_uncorrected 1 9\nrepair_pending 1 1\n"
      "repair_failed 1 1\npersistence 1 0\nprocesses 1 200\n");
  const Nvml nvml;
  const auto gpu = nvml.gpu_at("0001:c4:00");
  const auto health = gpu->health();
  EXPECT_EQ(health.temperature_celsius, 87);
  EXPECT_EQ(health.corrected_errors, 12);
  EXPECT_EQ(health.uncorrected_errors, 3);
  EXPECT_EQ(health.lifetime_uncorrected_errors, 9);
  EXPECT_TRUE(health.repair_pending && health.repair_failed);
  EXPECT_FALSE(gpu->stays_initialised());
  EXPECT_EQ(gpu->processes().size(), 200U);
  EXPECT_EQ(nvml.gpu_at("0000:18:00")->health().temperature_celsius, 45);
}

TEST_F(NvmlOnGhost, TellsWhatKeepsTheClocksDown) {
  const Nvml nvml;
  const auto gpu = nvml.gpu_at("0000:18:00");
  for (const auto& [bits, reasons, slowed] : std::vector<std::tuple<const char*, std::string, std::string>>{
           {"0x0", "", ""},
           {"0x1", "", ""},  // it idles
           {"0x4", "power cap", ""},
           {"0x20", "thermal", "thermal"},
           {"0x48", "thermal", "thermal"},
           {"0x88", "power brake", "power brake"},
           {"0x8", "hardware slowdown", "hardware slowdown"},
           {"0xa4", "thermal,power brake,power cap", "thermal, power brake"}}) {
    tell(std::string("reasons 0 ") + bits + "\n");
    const auto health = gpu->health();
    std::string all;
    for (const auto& reason : health.throttling) all += (all.empty() ? "" : ",") + reason;
    EXPECT_EQ(all, reasons) << bits;
    EXPECT_EQ(slowed_by(health), slowed) << bits;
  }
}

TEST_F(NvmlOnGhost, TellsEachXidOnceAndOnlyOfTheGpuThatIsWatched) {
  const Nvml nvml;
  auto gpu = nvml.gpu_at("0000:18:00"), other = nvml.gpu_at("0001:c4:00");
  EXPECT_TRUE(gpu->wait_for_xids(milliseconds(0)).empty());
  tell("xid 0 94\n");
  EXPECT_EQ(gpu->wait_for_xids(milliseconds(5000)), std::vector<std::int64_t>{94});
  EXPECT_TRUE(gpu->wait_for_xids(milliseconds(0)).empty());
  EXPECT_TRUE(other->wait_for_xids(milliseconds(0)).empty());
}

TEST_F(NvmlOnGhost, FindsAGpuThatHasFallenOffTheBus) {
  const Nvml nvml;
  const auto before = nvml.gpu_at("0000:18:00");
  EXPECT_FALSE(before->health().lost);
  tell("lost 0 1\n");
  EXPECT_TRUE(before->health().lost);
  const auto gpus = nvml.gpus();
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_TRUE(gpus[0].health().lost && gpus[0].uuid().empty() && gpus[0].processes().empty());
  EXPECT_FALSE(gpus[1].health().lost);
  const auto health = health_within("0000:18:00", milliseconds(5000));
  EXPECT_TRUE(health.told && health.lost);
  EXPECT_FALSE(health_within("0001:c4:00", milliseconds(5000)).lost);
  EXPECT_FALSE(health_within("0009:c4:00", milliseconds(5000)).told);
}

TEST_F(NvmlOnGhost, FindsAGpuThatDoesNotWorkUntilItIsReset) {
  tell("reset_required 0 1\n");
  const auto health = health_within("0000:18:00", milliseconds(5000));
  EXPECT_TRUE(health.told && health.reset_required);
  EXPECT_FALSE(health.lost);
  EXPECT_FALSE(health_within("0001:c4:00", milliseconds(5000)).reset_required);
}

}  // namespace
}  // namespace lockstep
