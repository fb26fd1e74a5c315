// Which GPUs the next start leaves out, and what that leaves of each host.
#include "launcher/failed_gpus.hpp"

#include <gtest/gtest.h>

#include "common/log.hpp"

namespace lockstep {
namespace {

RankStatus status_of(int rank, const std::string& host, const std::string& gpu, bool failed) {
  RankStatus status;
  status.rank = rank;
  status.host = host;
  status.gpu = {0, gpu, "0000:18:00", {gpu}, "0", {}};
  if (failed) status.gpu_failure = "CUDA error 700";
  return status;
}

FailedGpu on(const std::string& host, const std::string& gpu, bool in_doubt) {
  FailedGpu failed;
  failed.gpu.host = host;
  failed.gpu.uuid = gpu;
  failed.in_doubt = in_doubt;
  return failed;
}

SetAside aside_of(const std::vector<RankStatus>& statuses, const std::vector<Host>& hosts) {
  SetAside aside;
  for (const auto& failed : failed_gpus(statuses, hosts)) aside.gpus.push_back(failed.gpu);
  return aside;
}

std::vector<Host> lowered(std::vector<Host> hosts, const SetAside& aside) {
  lower_slots(hosts, aside);
  return hosts;
}

const std::vector<RankStatus> two_hosts = {
    status_of(0, "n1", "GPU-a", false), status_of(1, "n1", "GPU-b", false), status_of(2, "n2", "GPU-c", true),
    status_of(3, "n2", "GPU-d", false)};

TEST(FailedGpus, TakeASlotFromTheirHostWhateverTheLauncherCallsIt) {
  for (const std::string second : {"n2", "n2.cluster", "10.0.0.2", "second"}) {
    const std::vector<Host> hosts = {{"n1", 2}, {second, 2}};
    const auto aside = aside_of(two_hosts, hosts);
    EXPECT_EQ(lowered(hosts, aside), (std::vector<Host>{{"n1", 2}, {second, 1}})) << second;
  }
  const auto aside = aside_of(two_hosts, std::vector<Host>{{"10.0.0.1", 2}, {"10.0.0.2", 2}});
  EXPECT_EQ(lowered({{"n1.cluster", 2}, {"n2.cluster", 2}}, aside),
            (std::vector<Host>{{"n1.cluster", 2}, {"n2.cluster", 1}}))
      << "at a later start, by another name";
}

TEST(FailedGpus, OfThisMachineAreThoseOfLocalhost) {
  const std::vector<RankStatus> here = {status_of(0, host_name(), "GPU-a", true),
                                        status_of(1, host_name(), "GPU-b", false)};
  EXPECT_EQ(gpus_left_on(aside_of(here, {}), "localhost"), 1);
  EXPECT_EQ(gpus_left_on(aside_of(here, {}), "127.0.0.1"), 1);
  EXPECT_EQ(gpus_left_on(aside_of(two_hosts, std::vector<Host>{{"localhost", 4}}), "localhost"), -1)
      << "of the machine from which an earlier start came";
}

TEST(FailedGpus, OfRanksThatAreShownOneEachCostTheirHostOneSlot) {
  const auto aside = aside_of(two_hosts, {});
  EXPECT_EQ(aside.gpus_left().at("n2"), 1);
  EXPECT_EQ(aside.visible_devices("n2", "0"), std::nullopt);
}

TEST(FailedGpus, ThatWereTheOnlyOnesTakeTheirHostOut) {
  const std::vector<RankStatus> statuses = {status_of(0, "n1", "GPU-a", false),
                                            status_of(1, "n2", "GPU-b", true)};
  EXPECT_EQ(lowered({{"n1", 1}, {"n2", 1}}, aside_of(statuses, {})), (std::vector<Host>{{"n1", 1}}));
}

TEST(FailedGpus, AreInDoubtUnlessAnXidSaysThatItIsTheGpu) {
  auto status = status_of(0, "n1", "GPU-a", true);
  EXPECT_FALSE(failed_gpus({status}, {})[0].in_doubt);
  status.gpu_in_doubt = true;
  EXPECT_TRUE(failed_gpus({status}, {})[0].in_doubt);
  status.gpu.health.xids = {31, 45};  // of any illegal address
  EXPECT_TRUE(failed_gpus({status}, {})[0].in_doubt);
  status.gpu.health.xids = {31, 79};
  EXPECT_FALSE(failed_gpus({status}, {})[0].in_doubt);
}

TEST(GpuDoubts, LeaveAGpuOutOnlyAtItsSecondFailure) {
  GpuDoubts doubts;
  const std::vector<FailedGpu> failed = {on("n1", "GPU-a", true)};
  EXPECT_TRUE(doubts.to_leave_out(failed).empty());
  EXPECT_EQ(doubts.to_leave_out(failed).size(), 1U);
  EXPECT_EQ(doubts.to_leave_out({on("n2", "GPU-b", false)}).size(), 1U);
  EXPECT_TRUE(doubts.alike().empty());
}

TEST(GpuDoubts, FallOnTheProgramWhenASecondGpuFailsInTheSameWay) {
  GpuDoubts doubts;
  doubts.to_leave_out({on("n1", "GPU-a", true)});
  doubts.to_leave_out({on("n2", "GPU-b", true)});
  EXPECT_EQ(doubts.alike(), (std::vector<std::string>{"GPU-a of n1", "GPU-b of n2"}));
}

}  // namespace
}  // namespace lockstep
