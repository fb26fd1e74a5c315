#include "common/set_aside.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/error.hpp"
#include "common/rank_status.hpp"

namespace lockstep {
namespace {

GpuAside failed(const std::string& host, const std::string& uuid, std::vector<std::string> host_gpus,
                const std::string& shown = "") {
  return {.host = host,
          .uuid = uuid,
          .address = "0000:18:00",
          .rank = 1,
          .step = 12,
          .why = "CUDA error 214",
          .host_gpus = std::move(host_gpus),
          .shown = shown,
          .launched_as = "localhost"};
}

class SetAsideFile : public testing::Test {
 protected:
  std::string run = [] {
    std::string folder = testing::TempDir() + "/set-aside-XXXXXX";
    return std::string(mkdtemp(folder.data()));
  }();
  ~SetAsideFile() override { std::filesystem::remove_all(run); }
};

TEST_F(SetAsideFile, KeepsWhatItHasWhenMoreIsAdded) {
  add_to_set_aside(run, {{{"n1", 0, 3, "what it computes is wrong"}}, {}});
  add_to_set_aside(run, {{}, {failed("n2", "GPU-b", {"GPU-a", "GPU-b"}, "0,1")}});
  const auto read = set_aside_in(read_set_aside_text(run));
  ASSERT_EQ(read.hosts.size(), 1U);
  EXPECT_EQ(read.hosts[0].host, "n1");
  EXPECT_EQ(read.hosts[0].step, 3);
  const auto* gpu = read.gpu("n2", "GPU-b");
  ASSERT_NE(gpu, nullptr);
  EXPECT_EQ(gpu->why, "CUDA error 214");
  EXPECT_EQ(gpu->host_gpus, (std::vector<std::string>{"GPU-a", "GPU-b"}));
  EXPECT_EQ(gpu->shown, "0,1");
  EXPECT_EQ(gpu->launched_as, "localhost");
  EXPECT_EQ(read.gpu("n1", "GPU-b"), nullptr);
}

TEST_F(SetAsideFile, ThatIsMissingOrDamagedSetsNothingAside) {
  EXPECT_EQ(read_set_aside_text(run), "");
  for (const auto* text : {"", "{", "[]", R"({"hosts": 1, "gpus": [3]})", R"({"gpus": [{"rank": "x"}]})"}) {
    EXPECT_TRUE(set_aside_in(text).hosts.empty()) << text;
    EXPECT_TRUE(set_aside_in(text).gpus.empty()) << text;
    EXPECT_EQ(set_aside_in(text).damaged, std::string(text) != "") << text;
  }
}

TEST_F(SetAsideFile, ThatIsDamagedInPartKeepsItsOtherEntriesAndIsKeptBeside) {
  std::filesystem::create_directories(run + "/status");
  std::ofstream(set_aside_file(run)) << R"({"hosts": [{"host": 5}, {"host": "n\u001b[31m1", "rank": 1e300}, 7,
                                                      {"host": "n2"}], "gpus": [{"host_gpus": [1.5]}]})";
  const auto read = set_aside_in(read_set_aside_text(run));
  ASSERT_EQ(read.hosts.size(), 1U);
  EXPECT_EQ(read.hosts[0].host, "n2");
  EXPECT_TRUE(read.gpus.empty());
  EXPECT_NE(doubt_about(read, run).find("set_aside.json is damaged"), std::string::npos);
  add_to_set_aside(run, {{{"n3", 0, 3, "why"}}, {}});
  EXPECT_EQ(set_aside_in(read_set_aside_text(run)).hosts.size(), 2U);
  EXPECT_TRUE(std::filesystem::exists(set_aside_file(run) + ".damaged"));
  EXPECT_EQ(doubt_about(set_aside_in(read_set_aside_text(run)), run), "");
}

TEST_F(SetAsideFile, ThatCannotBeWrittenIsAnError) {
  std::ofstream(run + "/status") << "a file";
  EXPECT_THROW(add_to_set_aside(run, {}), Error);
}

TEST(SetAside, CountsTheGpusThatAreLeftOfEachHostThatHasLostSome) {
  SetAside aside;
  EXPECT_TRUE(aside.gpus_left().empty());
  aside.gpus = {failed("n1", "GPU-b", {"GPU-a", "GPU-b", "GPU-c"}), failed("n2", "GPU-x", {"GPU-x"}),
                failed("n1", "GPU-a", {"GPU-a", "GPU-c"})};  // of the start after, which had two
  EXPECT_EQ(aside.gpus_left(), (std::map<std::string, int>{{"n1", 1}, {"n2", 0}}));
}

TEST(SetAside, NamesTheGpusThatCudaMaySeeByTheirUuids) {
  SetAside aside;
  aside.gpus = {failed("n1", "GPU-b", {"GPU-a", "GPU-b", "GPU-c"}), failed("n1", "GPU-a", {"GPU-a", "GPU-c"}),
                failed("n2", "GPU-x", {"GPU-x"})};
  EXPECT_EQ(aside.visible_devices("n1", ""), "GPU-c");
  EXPECT_EQ(aside.visible_devices("n2", ""), "");
  EXPECT_EQ(aside.visible_devices("n3", ""), std::nullopt);
  EXPECT_EQ(aside.visible_devices("n1", "0"), std::nullopt) << "which GPUs these are is not known";
  aside.gpus[0].shown_alone = true;
  EXPECT_EQ(aside.visible_devices("n1", ""), std::nullopt) << "of another rank it is another GPU";
}

TEST(SetAside, GoesByAddressesWhereCudaTellsNoUuids) {
  SetAside aside;
  aside.gpus = {failed("n1", "", {"0000:17:00", "0000:18:00"})};
  EXPECT_NE(aside.gpu("n1", "0000:18:00"), nullptr);
  EXPECT_EQ(aside.gpus_left().at("n1"), 1);
  EXPECT_EQ(aside.visible_devices("n1", ""), std::nullopt) << "CUDA_VISIBLE_DEVICES takes no addresses";
}

TEST(RankStatus, KeepsTheGpuAndWhatNvmlTellsOfIt) {
  RankStatus status;
  status.gpu = {3, "GPU-a", "0000:18:00", {"GPU-a", "GPU-b"}, "0,1", {}};
  status.gpu.health.told = true;
  status.gpu.health.temperature_celsius = 87;
  status.gpu.health.throttling = {"thermal"};
  status.gpu.health.xids = {48, 94};
  status.gpu_failure = "CUDA error 214";
  const auto read = rank_status_from_text(to_text(status));
  ASSERT_TRUE(read);
  EXPECT_EQ(in_words(read->gpu), "GPU 3, GPU-a, PCI 0000:18:00");
  EXPECT_EQ(read->gpu.host_gpus, status.gpu.host_gpus);
  EXPECT_EQ(read->gpu.health.temperature_celsius, 87);
  EXPECT_EQ(slowed_by(read->gpu.health), "thermal");
  EXPECT_EQ(read->gpu.health.xids, (std::vector<std::int64_t>{48, 94}));
  EXPECT_EQ(read->gpu_failure, "CUDA error 214");
  EXPECT_FALSE(rank_gpu_from_text("{").exists());
  EXPECT_FALSE(rank_gpu_from_text(R"({"index": 1e300})").exists());
}

TEST(RankStatus, IsNothingWhereATypeIsAnotherAndShowsNoControlCharacters) {
  for (const auto* text : {R"({"rank": "x"})", R"({"rank": 1e300})", R"({"awaits": [1e300]})",
                           R"({"gpu": 3})", R"({"gpu": {"health": {"xids": ["x"]}}})", "[]", "null"})
    EXPECT_FALSE(rank_status_from_text(text)) << text;
  EXPECT_FALSE(rank_status_from_text(std::string(1000000, '[')));
  const auto read = rank_status_from_text(R"({"host": "\u001b]0;owned\u0007", "phase": "a\nb"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->host, R"(\x1b]0;owned\x07)");
  EXPECT_EQ(read->phase, R"(a\x0ab)");
}

}  // namespace
}  // namespace lockstep
