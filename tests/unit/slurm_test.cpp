// Hosts, what Slurm granted and how it ends jobs, and the batch scripts.
#include "launcher/slurm.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <map>

#include "common/error.hpp"
#include "launcher/batch_script.hpp"
#include "launcher/hosts.hpp"
#include "launcher/preemption.hpp"

namespace lockstep {
namespace {

/// The message of the Error (config) that `action` throws.
std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::config);
    return error.what();
  }
  return "nothing was refused";
}

void expect_in(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

using Hosts = std::vector<Host>;

TEST(Hosts, HaveOneRankWhereNoNumberStands) { EXPECT_EQ(parse_hosts("a:8,b"), (Hosts{{"a", 8}, {"b", 1}})); }

TEST(Hosts, AreRefusedWithoutNameOrNumberOrTwice) {
  expect_in(refusal([] { parse_hosts("a:8,:4"); }), "without a name");
  expect_in(refusal([] { parse_hosts("a:many"); }), "write a:8");
  expect_in(refusal([] { parse_hosts("a:0"); }), "from 1");
  expect_in(refusal([] { parse_hosts("a:8,a:8"); }), "name it once: a:16");
  expect_in(refusal([] { parse_hosts(","); }), "without a name");
}

TEST(Hosts, AreNamesThatNothingReadsOtherwise) {
  EXPECT_EQ(parse_hosts("node-1:2,node_1.lab:2,10.0.0.7"),
            (Hosts{{"node-1", 2}, {"node_1.lab", 2}, {"10.0.0.7", 1}}));
  expect_in(refusal([] { parse_hosts("a:1, b:1"); }), "without blanks");
  expect_in(refusal([] { parse_hosts("-oProxyCommand=touch pwned:2"); }), "an option of the remote shell");
  expect_in(refusal([] { parse_hosts("[::1]:2"); }), "no IPv6");
  expect_in(refusal([] { parse_hosts("fe80::1:2"); }), "no IPv6");
  expect_in(refusal([] { parse_hosts("node[1-4]:2"); }), "write each host out");
  expect_in(refusal([] { parse_hosts("me@node1:2"); }), "User");
  for (const char* name : {"a;b", "a$b", "a\tb", "a\nb", "b\xc3\xbcro", "..", "a/b", "a\x1b[2J"})
    expect_in(refusal([&] { parse_hosts(name); }), "is no name of a host");
  expect_in(refusal([] { parse_hostfile("a slots=2\n-v slots=2\n", "rack"); }), "rack:2: \"-v\"");
}

TEST(Hosts, HaveNoMoreRanksThanCanBeCounted) {
  expect_in(refusal([] { parse_hosts("a:4294967298"); }), "from 1");
  expect_in(refusal([] { parse_hosts("a:1048576,b:1"); }), "more than 1048576 ranks in all");
  expect_in(refusal([] { parse_hostfile("a slots=2 max_slots=many\n", "rack"); }), "\"many\"");
}

TEST(Hostfile, KnowsTheFormsOfOpenMpi) {
  EXPECT_EQ(parse_hostfile("# the rack\na slots=8 max_slots=8\n\nb:2 # two\nc\nc\n", "rack"),
            (Hosts{{"a", 8}, {"b", 2}, {"c", 2}}));
}

TEST(Hostfile, IsRefusedWithPathAndLine) {
  expect_in(refusal([] { parse_hostfile("a\nb cpus=3\n", "rack"); }), "rack:2: \"cpus=3\"");
  expect_in(refusal([] { parse_hostfile("a slots=2\na slots=2\n", "rack"); }),
            "rack:2: the host a is named twice");
  expect_in(refusal([] { parse_hostfile("# nobody\n", "rack"); }), "rack names no host");
}

TEST(Counts, OfSlurmMayBeShortened) {
  EXPECT_EQ(parse_counts("2(x3),1"), (std::vector<int>{2, 2, 2, 1}));
  EXPECT_EQ(parse_counts("8"), std::vector<int>{8});
  EXPECT_TRUE(parse_counts("").empty());
  for (const char* text : {"2(x", "-2", "2(x-1)", "1(x1048576),1", "2000000"})
    expect_in(refusal([&] { parse_counts(text); }), "SLURM_*");
}

TEST(Filled, HostsAreFullBeforeTheNextIsTaken) {
  const Hosts hosts = {{"a", 2}, {"b", 2}, {"c", 2}};
  EXPECT_EQ(filled(hosts, 3), (Hosts{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(filled(hosts, 6), hosts);
}

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

BatchJob batch_job() {
  BatchJob job;
  job.name = "mine";
  job.nodes = 4;
  job.gpus_per_node = 8;
  job.time = "2:00:00";
  job.command = {"/opt/lockstep", "train", "my run.toml"};
  job.output = "runs/mine";
  return job;
}

TEST(BatchScript, SetsUpInALoginShellAndEndsWhereALineFails) {
  auto job = batch_job();
  job.setup = {"module load cuda/13", ". /shared/{{name}}.sh"};
  for (const bool array : {false, true}) {
    if (array) job.seeds = {1, 2};
    const auto script = batch_script(job);
    EXPECT_TRUE(script.starts_with("#!/bin/bash -l\n")) << script;
    expect_in(script,
              "\nmodule load cuda/13\ntest $? = 0 || exit 1\n. /shared/{{name}}.sh\ntest $? = 0 || exit 1\n"
              "export LOCKSTEP_SIGNAL_SECONDS=");
  }
}

TEST(BatchScript, HasNoPlaceholderLeft) {
  auto job = batch_job();
  EXPECT_EQ(batch_script(job).find("{{"), std::string::npos);
  job.seeds = {1};
  EXPECT_EQ(batch_script(job).find("{{"), std::string::npos);
}

TEST(BatchScript, AsksForWhatWasAskedFor) {
  EXPECT_EQ(batch_script(batch_job()),
            "#!/bin/sh\n"
            "# Made by `lockstep submit`; slurm/README.md says what each line is for.\n"
            "#SBATCH --job-name=mine\n"
            "#SBATCH --nodes=4\n"
            "#SBATCH --ntasks-per-node=8\n"
            "#SBATCH --cpus-per-task=1\n"
            "#SBATCH --gpus-per-node=8\n"
            "#SBATCH --time=2:00:00\n"
            "#SBATCH --requeue\n"
            "#SBATCH --output=runs/mine-%j.log\n"
            "#SBATCH --open-mode=append\n"
            "#SBATCH --signal=B:USR1@120\n"
            "export LOCKSTEP_SIGNAL_SECONDS=120\n"
            "exec /opt/lockstep train 'my run.toml' --output runs/mine\n");
}

TEST(BatchScript, OfSeedsIsAnArrayWithAFolderForEach) {
  auto job = batch_job();
  job.seeds = {1, 2, 5};
  job.at_once = 2;
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --array=0-2%2\n");
  expect_in(script, "set -- 1 2 5\n");
  expect_in(script, "--set run.seed=\"$1\" --output runs/mine-seed-\"$1\"\n");
  expect_in(script, "--output=runs/mine-%A_%a.log\n");
}

TEST(BatchScript, WithoutGpusAndTasksTakesWholeNodes) {
  auto job = batch_job();
  job.gpus_per_node.reset();
  expect_in(batch_script(job), "#SBATCH --exclusive\n");
}

TEST(BatchScript, HandsOnFurtherOptionsAndQuotesBlanks) {
  auto job = batch_job();
  job.more = {"--constraint=h100", "--comment=two words"};
  job.requeue = false;
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --constraint=h100\n#SBATCH --comment=\"two words\"\n");
  expect_in(script, "#SBATCH --no-requeue\n");
}

TEST(BatchScript, PutsNothingIntoWhatItHasPutIn) {
  auto job = batch_job();
  job.name = "{{command}}";
  job.command = {"/opt/lockstep", "train", "{{output}}.toml"};
  job.output = "runs/$(touch pwned){{name}}";
  const auto script = batch_script(job);
  expect_in(script, "#SBATCH --job-name={{command}}\n");
  expect_in(script, "exec /opt/lockstep train '{{output}}.toml' --output 'runs/$(touch pwned){{name}}'\n");
}

TEST(BatchScript, QuotesWhatSbatchWouldReadOtherwise) {
  auto job = batch_job();
  job.name = R"(a"b\c)";
  job.account = "lab#3";
  job.partition = "it's";
  const auto script = batch_script(job);
  expect_in(script, R"(#SBATCH --job-name="a\"b\\c")"
                    "\n");
  expect_in(script, "#SBATCH --account=\"lab#3\"\n");
  expect_in(script, "#SBATCH --partition=\"it's\"\n");
}

TEST(BatchScript, RefusesLineBreaksInEveryText) {
  const std::string text = "mine\n#SBATCH --uid=0";
  const std::vector<std::function<void(BatchJob&)>> places = {
      [&](BatchJob& job) { job.name = text; },
      [&](BatchJob& job) { job.partition = text; },
      [&](BatchJob& job) { job.account = text; },
      [&](BatchJob& job) { job.time = "10\n"; },
      [&](BatchJob& job) { job.output = text; },
      [&](BatchJob& job) { job.setup = {text}; },
      [&](BatchJob& job) { job.more = {"--comment=" + text}; },
      [&](BatchJob& job) { job.command.push_back("run.name=\x1b[2J"); },
  };
  for (const auto& put : places) {
    auto job = batch_job();
    put(job);
    expect_in(refusal([&] { batch_script(job); }), "line break or another control character");
  }
}

TEST(BatchScript, LeavesTimeToTrainBeforeTheNotice) {
  auto job = batch_job();
  job.time = "4:00";
  expect_in(batch_script(job), "B:USR1@60\n");
  job.signal_seconds = 240;
  expect_in(refusal([&] { batch_script(job); }), "raise --time");
  job.time = "soon";
  expect_in(refusal([&] { batch_script(job); }), "--time soon");
}

TEST(TimesOfSlurm, AreMinutesOrCountedFromDays) {
  EXPECT_EQ(seconds_of_time("90"), 5400);
  EXPECT_EQ(seconds_of_time("90:30"), 5430);
  EXPECT_EQ(seconds_of_time("2:00:00"), 7200);
  EXPECT_EQ(seconds_of_time("1-12"), 36 * 3600);
  EXPECT_EQ(seconds_of_time("1-12:30:15"), 36 * 3600 + 1815);
  EXPECT_EQ(seconds_of_time("two hours"), std::nullopt);
}

}  // namespace
}  // namespace lockstep
