#include "worker/watch/gpu_report.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/rank_status.hpp"

namespace lockstep {
namespace {

TEST(GpuReport, HasTheGpusOfTheRanksThatAreThereAndNamesThoseInTrouble) {
  std::string run = testing::TempDir() + "/gpu-report-XXXXXX";
  ASSERT_NE(mkdtemp(run.data()), nullptr);
  std::filesystem::create_directories(status_folder(run));
  std::vector<RankStatus> statuses(4);
  for (int rank = 0; rank < 4; ++rank) {
    statuses[rank].rank = rank;
    statuses[rank].host = "n1";
    if (rank < 3) statuses[rank].gpu = {rank, "GPU-" + std::to_string(rank), "0000:18:00", {}, "", {}};
  }
  statuses[1].gpu.health.told = true;
  statuses[1].gpu.health.hottest_celsius = 88;
  statuses[1].gpu.health.throttled_seconds = 12.4;
  statuses[1].gpu.health.uncorrected_errors = 2;
  statuses[2].state = RankStatus::State::ended;  // of an earlier start
  for (const auto& status : statuses)
    std::ofstream(status_folder(run) + "/rank-" + std::to_string(status.rank) + ".json") << to_text(status);

  const auto gpus = gpus_of(run);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0]["uuid"], "GPU-0");
  EXPECT_FALSE(gpus[0].contains("hottest_celsius"));
  EXPECT_EQ(gpus[1]["hottest_celsius"], 88);
  EXPECT_EQ(trouble_of_gpu(gpus[0]), "");
  EXPECT_EQ(trouble_of_gpu(gpus[1]),
            "the GPU of rank 1 on n1 throttled for 12 s, at up to 88 C, and has 2 uncorrectable ECC errors");
  std::filesystem::remove_all(run);
}

}  // namespace
}  // namespace lockstep
