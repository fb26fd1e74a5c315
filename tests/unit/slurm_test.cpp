// What Slurm granted to a job, and how it ends jobs.
#include "launcher/slurm.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <map>

#include "launcher/hosts.hpp"
#include "launcher/preemption.hpp"
#include "tests/unit/refusal.hpp"

namespace lockstep {
namespace {

using Hosts = std::vector<Host>;

using Environment = std::map<std::string, std::string>;

SlurmJob job_of(Environment environment) {
  environment.try_emplace("SLURM_JOB_ID", "17");
  environment.try_emplace("SLURM_JOB_NODELIST", "n[1-3]");
  const auto names = [](const std::string& list) {
    EXPECT_EQ(list, "n[1-3]");
    return std::vector<std::string>{"n1", "n2", "n3"};
  };
  return *slurm_job([&](const std::string& name) { return environment[name]; }, names);
}

const Environment three_nodes = {{"SLURM_TASKS_PER_NODE", "2(x2),1"}, {"SLURM_JOB_CPUS_PER_NODE", "8(x3)"}};

SlurmJob with(Environment more) {
  more.insert(three_nodes.begin(), three_nodes.end());
  return job_of(more);
}

TEST(SlurmJobs, AreNoneWithoutAJobId) {
  EXPECT_FALSE(slurm_job([](const std::string&) { return ""; }, {}));
}

TEST(SlurmJobs, HaveARankForEachTaskOrElseForCores) {
  EXPECT_EQ(in_words(room_in(with({{"SLURM_NTASKS", "5"}}), 2, true)), "n1:2,n2:2,n3:1");
  EXPECT_EQ(in_words(room_in(with({}), 2, true)), "n1:4,n2:4,n3:4");
}

TEST(SlurmJobs, HaveARankForEachGpuFirst) {
  for (const auto& gpus : {Environment{{"SLURM_GPUS_PER_NODE", "h100:4"}},
                           Environment{{"SLURM_GPUS_ON_NODE", "4"}}, Environment{{"SLURM_GPUS", "12"}}}) {
    EXPECT_EQ(in_words(room_in(with(gpus), 1, true)), "n1:4,n2:4,n3:4");
  }
  EXPECT_EQ(in_words(room_in(with({{"SLURM_GPUS", "12"}}), 1, false)), "n1:8,n2:8,n3:8");
}

TEST(SlurmJobs, OfAnArrayAreCalledByArrayAndTask) {
  EXPECT_EQ(job_of({{"SLURM_ARRAY_JOB_ID", "17"}, {"SLURM_ARRAY_TASK_ID", "2"}}).id, "17_2");
}

TEST(SlurmJobs, RefuseToStartOneRunForEachTask) {
  expect_in(refusal([] { job_of({{"SLURM_STEP_NUM_TASKS", "3"}}); }), "leave srun out");
}

TEST(SlurmJobs, RefuseWhatTheyWereNotGrantedAndNameTheLine) {
  const auto job = with({{"SLURM_NTASKS", "5"}});
  const auto room = room_in(job, 1, true);
  EXPECT_EQ(granted_hosts(job, room, {}, 4), room);
  EXPECT_EQ(granted_hosts(job, room, Hosts{{"n2", 2}}, {}), (Hosts{{"n2", 2}}));
  expect_in(refusal([&] { granted_hosts(job, room, {}, 6); }), "#SBATCH --ntasks=6");
  expect_in(refusal([&] { granted_hosts(job, room, Hosts{{"n4", 1}}, {}); }), "#SBATCH --nodelist=n4");
  expect_in(refusal([&] { granted_hosts(job, room, Hosts{{"n3", 2}}, {}); }), "write n3:1");
  const auto gpus = with({{"SLURM_GPUS_PER_NODE", "4"}});
  expect_in(refusal([&] { granted_hosts(gpus, room_in(gpus, 1, true), {}, 16); }), "#SBATCH --nodes=4");
}

TEST(SlurmJobs, RefuseGpusThatDoNotDivideAmongTheNodes) {
  const auto refused = refusal([] {
    require_even_gpus(with({{"SLURM_GPUS", "8"}, {"SLURM_GPUS_ON_NODE", "3"}}));
  });
  expect_in(refused, "8 GPUs on 3 nodes");
  expect_in(refused, "#SBATCH --gpus-per-node=3");
  expect_in(refusal([] { require_even_gpus(with({{"SLURM_GPUS", "2"}})); }), "2 GPUs on 3 nodes");
  for (const auto& even : {Environment{{"SLURM_GPUS", "h100:6,a100:6"}}, Environment{}}) {
    EXPECT_NO_THROW(require_even_gpus(with(even)));
    EXPECT_TRUE(notes_on(with(even), false).empty());
  }
}

TEST(SlurmJobs, CountEveryKindOfGpuAndSayThatThereAreSeveral) {
  const auto job = with({{"SLURM_GPUS_PER_NODE", "h100:2,a100:2"}});
  EXPECT_EQ(in_words(room_in(job, 1, true)), "n1:4,n2:4,n3:4");
  ASSERT_EQ(notes_on(job, true).size(), 1U);
  expect_in(notes_on(job, true)[0], "several kinds (h100:2,a100:2)");
  EXPECT_TRUE(notes_on(job, false).empty());
}

TEST(SlurmJobs, SayWhichPartsOfAHeterogeneousJobStayIdle) {
  const auto job = with({{"SLURM_HET_SIZE", "3"}, {"SLURM_JOB_NODELIST_HET_GROUP_1", "m[1-4]"}});
  ASSERT_EQ(notes_on(job, false).size(), 1U);
  expect_in(notes_on(job, false)[0], "idle are m[1-4], part 2");
}

TEST(SlurmJobs, DivideTheCoresOfANodeAmongItsRanks) {
  const auto job = with({{"SLURM_NTASKS", "5"}});
  EXPECT_EQ(cores_per_rank(job, room_in(job, 1, true)), 4);
  expect_in(refusal([&] { cores_per_rank(job, Hosts{{"n1", 9}}); }), "#SBATCH --ntasks-per-node=9");
}

const std::string config = "KillWait                = 30 sec\nPreemptMode             = REQUEUE\n";
const std::string no_preemption = config + "PreemptType             = preempt/none\n";
const std::string preemption = config + "PreemptType             = preempt/partition_prio\n";

TEST(Grace, IsTheNoticeOrElseKillWait) {
  EXPECT_EQ(grace_seconds(no_preemption, "", {}), 30);
  EXPECT_EQ(grace_seconds(no_preemption, "", 120), 120);
  EXPECT_EQ(grace_seconds("", "", {}), std::nullopt);
}

TEST(Grace, IsThatOfThePartitionWhereJobsMayBePreempted) {
  EXPECT_EQ(grace_seconds(preemption, "GraceTime=60 PreemptMode=REQUEUE", 120), 60);
  EXPECT_EQ(grace_seconds(preemption, "GraceTime=0 PreemptMode=REQUEUE", 120), 30);
  EXPECT_EQ(grace_seconds(preemption, "GraceTime=0 PreemptMode=OFF", 120), 120);
}

TEST(ASequel, FollowsWhenSlurmEndedTheRun) {
  const std::string job = "JobState=RUNNING Reason=None\n Requeue=1 BatchFlag=1\n PreemptTime=None\n";
  EXPECT_EQ(sequel_of(SIGUSR1, job), Sequel::requeue) << "the notice before the time limit";
  EXPECT_EQ(sequel_of(SIGTERM, job), Sequel::none) << "somebody has sent it";
  EXPECT_EQ(sequel_of(SIGINT, job), Sequel::none);
  EXPECT_EQ(sequel_of(SIGKILL, job), Sequel::none);
  EXPECT_EQ(sequel_of(SIGTERM, "JobState=COMPLETING Reason=None Requeue=1 BatchFlag=1"), Sequel::none)
      << "scancel";
  EXPECT_EQ(sequel_of(SIGTERM, "PreemptTime=2026-01-01T00:00:00 Requeue=1 BatchFlag=1"), Sequel::requeue);
  EXPECT_EQ(sequel_of(SIGTERM, "Reason=TimeLimit Requeue=1 BatchFlag=1"), Sequel::requeue);
  EXPECT_EQ(sequel_of(SIGUSR1, "Requeue=0 BatchFlag=1"), Sequel::refused) << "--no-requeue";
  EXPECT_EQ(sequel_of(SIGUSR1, "Requeue=1 BatchFlag=0"), Sequel::refused) << "salloc";
}

}  // namespace
}  // namespace lockstep
