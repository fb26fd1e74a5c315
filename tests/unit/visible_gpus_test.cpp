// The GPUs of a machine, from device files and CUDA_VISIBLE_DEVICES alone.
#include "common/visible_gpus.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <fstream>
#include <map>

namespace lockstep {
namespace {
namespace fs = std::filesystem;

TEST(GpuDeviceFiles, AreThoseWithNothingButANumberInTheName) {
  char folder[] = "/tmp/devices.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  for (const char* name : {"nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia", "null"})
    std::ofstream(fs::path(folder) / name);
  fs::create_directory(fs::path(folder) / "nvidia-caps");
  EXPECT_EQ(gpu_device_files(folder).usable, 3);
  EXPECT_EQ(gpu_device_files(folder).withheld, 0);
  fs::remove_all(folder);
  EXPECT_EQ(gpu_device_files(folder).usable, 0) << "a folder that is not there holds none";
}

TEST(GpuDeviceFiles, ThatMayNotBeOpenedAreWithheldAndOthersThatFailAreBroken) {
  char folder[] = "/tmp/devices.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::map<std::string, int> errors = {
      {"nvidia0", 0}, {"nvidia1", EPERM}, {"nvidia2", EACCES}, {"nvidia3", EIO}, {"nvidia4", ENXIO}};
  for (const auto& [name, error] : errors) std::ofstream(fs::path(folder) / name);
  const auto files =
      gpu_device_files(folder, [&](const fs::path& file) { return errors.at(file.filename().string()); });
  EXPECT_EQ(files.usable, 3);
  EXPECT_EQ(files.withheld, 2);
  EXPECT_EQ(files.why_withheld, std::string(folder) + "/nvidia1: Operation not permitted");
  fs::remove_all(folder);
}

TEST(VisibleGpus, AreAllWhereNobodyChooses) {
  EXPECT_EQ(visible_gpus(8, std::nullopt), 8);
  EXPECT_EQ(visible_gpus(0, std::nullopt), 0);
}

TEST(VisibleGpus, AreThoseOnTheList) {
  EXPECT_EQ(visible_gpus(8, "0,3,7"), 3);
  EXPECT_EQ(visible_gpus(8, "5"), 1);
  EXPECT_EQ(visible_gpus(8, "3, 2"), 2);
}

TEST(VisibleGpus, AreNoneForAnEmptyListOrMinusOne) {
  EXPECT_EQ(visible_gpus(8, ""), 0);
  EXPECT_EQ(visible_gpus(8, "-1"), 0);
  EXPECT_EQ(visible_gpus(8, "NoDevFiles"), 0);
}

TEST(VisibleGpus, EndInFrontOfTheFirstIndexThatIsNoGpu) {
  EXPECT_EQ(visible_gpus(4, "2,1,4,0"), 2);
  EXPECT_EQ(visible_gpus(4, "0,-1,1"), 1);
  EXPECT_EQ(visible_gpus(4, "9,0"), 0);
}

TEST(VisibleGpus, AreNoneWhereOneIsNamedTwice) { EXPECT_EQ(visible_gpus(4, "0,1,0"), 0); }

TEST(VisibleGpus, NamedByUuidEachCount) {
  EXPECT_EQ(visible_gpus(8, "GPU-8f5a3c11,GPU-02aa"), 2);
  EXPECT_EQ(visible_gpus(1, "MIG-11d1b5c1,MIG-22aa,MIG-33bb"), 3) << "parts of one GPU";
}

TEST(VisibleGpus, AreNoneOnAMachineWithoutGpusWhateverTheListSays) {
  EXPECT_EQ(visible_gpus(0, "0,1"), 0);
  EXPECT_EQ(visible_gpus(0, "MIG-11d1b5c1"), 0);
}

}  // namespace
}  // namespace lockstep
