// The command that starts the ranks, and the process that runs it.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "common/cpu_quota.hpp"
#include "common/error.hpp"
#include "launcher/machine.hpp"
#include "launcher/mpirun.hpp"
#include "launcher/post_mortem.hpp"
#include "launcher/process.hpp"

namespace lockstep {
namespace {

Launch launch_of(int ranks, int cores) {
  Launch launch;
  launch.ranks = ranks;
  launch.cores = cores;
  launch.worker = "/opt/lockstep/bin/lockstep-worker";
  launch.worker_arguments = {"a.toml", "--set", "run.name=x"};
  return launch;
}

bool contains(const std::vector<std::string>& argv, const std::string& word) {
  return std::ranges::find(argv, word) != argv.end();
}

std::string value_of(const Command& command, const std::string& name) {
  for (const auto& [key, value] : command.environment) {
    if (key == name) return value;
  }
  return "not set";
}

Command shell(const std::string& script) { return Command{{"/bin/sh", "-c", script}, {}}; }

TEST(DefaultRanks, AreOneForEachThreadsPerRankCoresAndAtLeastOne) {
  EXPECT_EQ(default_ranks(0, 8, 1), 8);
  EXPECT_EQ(default_ranks(0, 8, 3), 2);
  EXPECT_EQ(default_ranks(0, 2, 4), 1);
  EXPECT_EQ(default_ranks(0, 1, 1), 1);
}

TEST(DefaultRanks, AreTheGpusWhereThereAreSome) {
  EXPECT_EQ(default_ranks(8, 96, 1), 8);
  EXPECT_EQ(default_ranks(8, 2, 4), 8);
}

TEST(MpirunCommand, EndsWithTheWorkerAndItsArguments) {
  const std::vector<std::string> argv = command_for(launch_of(2, 2)).argv;
  const std::vector<std::string> front(argv.begin(), argv.begin() + 3);
  EXPECT_EQ(front, (std::vector<std::string>{"mpirun", "-np", "2"}));
  const std::vector<std::string> back(argv.end() - 4, argv.end());
  EXPECT_EQ(back,
            (std::vector<std::string>{"/opt/lockstep/bin/lockstep-worker", "a.toml", "--set", "run.name=x"}));
}

TEST(MpirunCommand, YieldsTheCoreOnlyWhenRanksExceedCores) {
  EXPECT_FALSE(contains(command_for(launch_of(2, 2)).argv, "mpi_yield_when_idle"));
  EXPECT_TRUE(contains(command_for(launch_of(3, 2)).argv, "mpi_yield_when_idle"));
}

TEST(MpirunCommand, AllowsRootOnlyForRoot) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(command_for(launch), "OMPI_ALLOW_RUN_AS_ROOT"), "not set");
  launch.root = true;
  EXPECT_EQ(value_of(command_for(launch), "OMPI_ALLOW_RUN_AS_ROOT"), "1");
  EXPECT_EQ(value_of(command_for(launch), "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1");
}

TEST(MpirunCommand, AsksForABarOnATerminalAndForJsonElsewhere) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_PROGRESS"), "json");
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_COLUMNS"), "not set");
  launch.terminal_columns = 97;
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_PROGRESS"), "bar");
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_COLUMNS"), "97");
  EXPECT_TRUE(contains(command_for(launch).argv, "LOCKSTEP_COLUMNS")) << "handed on to other hosts with -x";
}

TEST(MpirunCommand, HandsOnTheTextOfTheConfiguration) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_CONFIG_TEXT"), "not set");
  launch.config_text = "[run]\nname = \"x\"\n";
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_CONFIG_TEXT"), *launch.config_text);
  EXPECT_TRUE(contains(command_for(launch).argv, "LOCKSTEP_CONFIG_TEXT")) << "to other hosts too";
}

TEST(MpirunCommand, KeepsTheBannersOfMpirunToItselfUnlessVerbose) {
  Launch launch = launch_of(1, 1);
  EXPECT_TRUE(command_for(launch).quiet);
  launch.verbose = true;
  EXPECT_FALSE(command_for(launch).quiet);
  EXPECT_FALSE(contains(command_for(launch).argv, "--quiet")) << "Open MPI 5 does not know it";
}

TEST(MpirunCommand, HasTheRanksTellWhenTheyAreThere) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_TELL_START"), "not set");
  launch.start_seconds = 600;
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_TELL_START"), "1");
  EXPECT_EQ(command_for(launch).start_seconds, 600);
}

Launch launch_on(std::vector<Host> hosts, int ranks) {
  Launch launch = launch_of(ranks, 2);
  launch.hosts = std::move(hosts);
  return launch;
}

/// The word after `option`; "" when it is not there.
std::string after(const std::vector<std::string>& argv, const std::string& option) {
  const auto found = std::ranges::find(argv, option);
  return found == argv.end() || found + 1 == argv.end() ? "" : found[1];
}

TEST(MpirunCommand, FillsTheHostsInTheirOrder) {
  const auto argv = command_for(launch_on({{"a", 8}, {"b", 8}, {"c", 8}}, 11)).argv;
  EXPECT_EQ(after(argv, "-np"), "11");
  EXPECT_EQ(after(argv, "--host"), "a:8,b:3");
}

TEST(MpirunCommand, OnFewerHostsIsThatOfALaunchWithThoseAlone) {
  Launch launch = launch_on({{"a", 2}, {"b", 2}, {"c", 2}}, 6);
  launch.hosts.erase(launch.hosts.begin() + 1);
  launch.ranks = 4;
  EXPECT_EQ(after(command_for(launch).argv, "--host"), "a:2,c:2");
}

TEST(MpirunCommand, NoticesAVanishedHostAndAsksNoQuestions) {
  const auto argv = command_for(launch_on({{"a", 1}}, 1)).argv;
  EXPECT_EQ(after(argv, "oob_tcp_keepalive_time"), "1");
  EXPECT_NE(after(argv, "plm_rsh_args").find("BatchMode=yes"), std::string::npos);
  EXPECT_NE(after(argv, "plm_rsh_args").find("ConnectTimeout="), std::string::npos);
  EXPECT_FALSE(contains(command_for(launch_of(1, 1)).argv, "oob_tcp_keepalive_time"))
      << "nothing of it where there is one machine";
}

TEST(MpirunCommand, NamesNetworksAndNeverInterfaces) {
  Launch launch = launch_on({{"a", 1}}, 1);
  EXPECT_FALSE(contains(command_for(launch).argv, "btl_tcp_if_include"));
  launch.network = "10.0.0.0/8";
  EXPECT_EQ(after(command_for(launch).argv, "btl_tcp_if_include"), "10.0.0.0/8");
  EXPECT_EQ(after(command_for(launch).argv, "oob_tcp_if_include"), "10.0.0.0/8");
  EXPECT_EQ(value_of(command_for(launch), "LOCKSTEP_NETWORK"), "10.0.0.0/8");
  EXPECT_TRUE(contains(command_for(launch).argv, "LOCKSTEP_NETWORK")) << "the workers find NCCL's interfaces";
}

TEST(MpirunCommand, TakesAnotherRemoteShell) {
  Launch launch = launch_on({{"a", 1}}, 1);
  launch.remote_shell = "/rack/enter";
  const auto argv = command_for(launch).argv;
  EXPECT_EQ(after(argv, "plm_rsh_agent"), "/rack/enter");
  EXPECT_FALSE(contains(argv, "plm_rsh_args")) << "these are options of ssh";
}

TEST(MpirunCommand, HandsOnTheVariablesOnce) {
  Launch launch = launch_on({{"a", 1}}, 1);
  launch.variables = {"LOCKSTEP_PROGRESS", "NCCL_DEBUG"};
  launch.grace_seconds = 30;
  const auto command = command_for(launch);
  EXPECT_EQ(std::ranges::count(command.argv, "LOCKSTEP_PROGRESS"), 1);
  EXPECT_EQ(std::ranges::count(command.argv, "NCCL_DEBUG"), 1);
  EXPECT_EQ(std::ranges::count(command.argv, "LOCKSTEP_GRACE_SECONDS"), 1);
  EXPECT_EQ(value_of(command, "LOCKSTEP_GRACE_SECONDS"), "30");
}

TEST(SrunCommand, PlacesEachRankByName) {
  Launch launch = launch_on({{"a", 2}, {"b", 2}}, 3);
  launch.starter = Starter::srun;
  launch.cores_per_rank = 4;
  const auto command = command_for(launch);
  for (const char* word : {"--mpi=pmix", "--nodes=2", "--ntasks=3", "--distribution=arbitrary",
                           "--nodelist=a,a,b", "--cpus-per-task=4", "--overlap", "--kill-on-bad-exit=1"})
    EXPECT_TRUE(contains(command.argv, word)) << word;
  EXPECT_FALSE(contains(command.argv, "--gpu-bind=none"));
  EXPECT_EQ(command.argv.back(), "run.name=x");
}

TEST(SrunCommand, HasSlurmWaitForAllRanksAlongARing) {
  Launch launch = launch_on({{"a", 2}}, 2);
  EXPECT_EQ(value_of(command_for(launch), "SLURM_PMIX_FENCE"), "not set");
  launch.starter = Starter::srun;
  EXPECT_EQ(value_of(command_for(launch), "SLURM_PMIX_FENCE"), "ring");
}

TEST(SrunCommand, IsEndedByAnotherSignalThanMpirun) {
  Launch launch = launch_on({{"a", 1}}, 1);
  EXPECT_EQ(command_for(launch).killing_signal, SIGKILL);
  launch.starter = Starter::srun;
  EXPECT_EQ(command_for(launch).killing_signal, SIGTERM);
  EXPECT_EQ(command_for(launch).ending_signal, SIGUSR1);
}

TEST(ShellLine, QuotesWhatAShellWouldChange) {
  const Command command{{"mpirun", "a b", "", "it's", "--set", "x=[1,2]", "/plain-path_1.toml"},
                        {{"NAME", "two words"}}};
  EXPECT_EQ(shell_line(command),
            "NAME='two words' mpirun 'a b' '' 'it'\\''s' --set 'x=[1,2]' /plain-path_1.toml");
}

TEST(UsableCores, FollowTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(usable_cores(), within_quota(CPU_COUNT(&before)));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(ProgramBesideThis, NamesTheMissingFileAndTheRemedy) {
  EXPECT_NE(program_beside_this("launcher_test").find("/launcher_test"), std::string::npos);
  try {
    program_beside_this("no-such-program");
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::io);
    EXPECT_NE(std::string(error.what()).find("/no-such-program"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("make build"), std::string::npos);
  }
}

TEST(RunToEnd, ReturnsTheExitCode) {
  EXPECT_EQ(run_to_end(shell("exit 0")).status, 0);
  EXPECT_EQ(run_to_end(shell("exit 6")).status, 6);
}

TEST(RunToEnd, Returns128PlusTheSignal) {
  const auto crashed = run_to_end(shell("kill -SEGV $$"));
  EXPECT_EQ(crashed.status, 128 + SIGSEGV);
  EXPECT_TRUE(crashed.was_lost());
  EXPECT_EQ(crashed.program, "/bin/sh");
  EXPECT_FALSE(run_to_end(shell("exit 139")).was_lost()) << "it says that of another program";
}

TEST(RunToEnd, AddsTheEnvironment) {
  Command command = shell("test \"$LOCKSTEP_PROGRESS\" = json");
  command.environment = {{"LOCKSTEP_PROGRESS", "json"}};
  EXPECT_EQ(run_to_end(command).status, 0);
}

TEST(RunToEnd, GivesTheProgramAnEmptyStandardInput) { EXPECT_EQ(run_to_end(shell("! read line")).status, 0); }

TEST(RunToEnd, SaysWhatCannotBeStarted) {
  try {
    run_to_end(Command{{"/no/such/program"}, {}});
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::io);
    EXPECT_NE(std::string(error.what()).find("/no/such/program"), std::string::npos);
  }
}

TEST(RunToEnd, PassesATerminationOnAndNamesIt) {
  // The program asks this process to end, as a batch system would, and waits to be told itself.
  const Ending ending =
      run_to_end(shell("trap 'exit 7' TERM; kill -INT $PPID; while :; do sleep 0.01; done"));
  EXPECT_EQ(ending.status, 7);
  EXPECT_EQ(ending.forwarded_signal, SIGINT);
}

TEST(RunToEnd, KillsTheProgramAtTheSecondTermination) {
  const Ending ending =
      run_to_end(shell("trap 'kill -TERM $PPID' TERM; kill -TERM $PPID; while :; do sleep 0.01; done"));
  EXPECT_EQ(ending.status, 128 + SIGKILL);
  EXPECT_EQ(ending.forwarded_signal, SIGTERM);
}

TEST(RunToEnd, EndsAProgramWhoseRanksAreNotThereInTime) {
  Command command = shell("echo 'lockstep: the ranks are there' >&2; sleep 1.7; exit 6");
  command.relayed = true;
  command.start_seconds = 1.5;
  EXPECT_EQ(run_to_end(command).status, 6);
  command.start_seconds = 0.3;
  command.argv[2] = "trap 'exit 7' TERM; while :; do sleep 0.01; done";
  const auto ending = run_to_end(command);
  EXPECT_EQ(ending.status, 7);
  EXPECT_TRUE(ending.never_started);
  EXPECT_FALSE(ending.was_lost());
}

TEST(RunToEnd, KillsWhatTheProgramLeavesBehind) {
  const std::string file = testing::TempDir() + "lockstep_orphan_" + std::to_string(getpid());
  // The grandchild survives its parent and would sleep for minutes.
  EXPECT_EQ(run_to_end(shell("setsid sleep 300 & echo $! > " + file + "; exit 0")).status, 0);
  pid_t orphan = 0;
  std::ifstream(file) >> orphan;
  ASSERT_GT(orphan, 0);
  EXPECT_EQ(kill(orphan, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  std::remove(file.c_str());
}

/// Ranks that have ended with these exit codes, one on each of n1, n2, ...
std::vector<RankStatus> ended_with(const std::vector<int>& exit_codes) {
  std::vector<RankStatus> statuses;
  for (const int code : exit_codes) {
    RankStatus status;
    status.rank = static_cast<int>(statuses.size());
    status.host = "n" + std::to_string(status.rank + 1);
    status.state = RankStatus::State::ended;
    status.exit_code = code;
    status.step = 4;
    status.phase = "forward";
    statuses.push_back(status);
  }
  return statuses;
}

constexpr int of_open_mpi = 195;  // in a rank whose mpirun or daemon has gone

Ending mpirun_lost_by(int signal) {
  return {.status = 128 + signal, .own_signal = signal, .program = "mpirun"};
}

TEST(AnOrderlyStop, IsOneByASignalThatRanksListenTo) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2})
    EXPECT_TRUE(stopped_in_order(ended_with({128 + signal, 128 + signal}), {128 + signal}));
  for (const int code : {0, 3, 5, 128 + SIGKILL, 128 + SIGSEGV, of_open_mpi, 255})
    EXPECT_FALSE(stopped_in_order(ended_with({code, code}), {code})) << code;
}

TEST(AnOrderlyStop, IsNoneWhereMpirunOrARankWasLost) {
  EXPECT_FALSE(stopped_in_order(ended_with({143, 143}), {128 + SIGKILL}))
      << "by the daemons of a dead mpirun";
  EXPECT_FALSE(stopped_in_order(ended_with({143, of_open_mpi}), {205})) << "a daemon has gone";
  EXPECT_FALSE(stopped_in_order(ended_with({143, 143}), mpirun_lost_by(SIGSEGV)));
  auto statuses = ended_with({143, 0});
  statuses[1].signal = SIGKILL;
  EXPECT_FALSE(stopped_in_order(statuses, {143}));
  statuses[1].asked = true;
  EXPECT_TRUE(stopped_in_order(statuses, {143})) << "it took too long to save";
}

TEST(Failures, NameMpirunOrTheHostOfItsDaemonThatWasLost) {
  const auto all = failures_in(ended_with({of_open_mpi, of_open_mpi}));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].host, "") << "no host is to blame";
  EXPECT_EQ(
      all[0].text,
      "mpirun was lost, in forward of step 5: it was killed or has crashed (exit code 195 of Open MPI in "
      "rank 0)");
  auto statuses = ended_with({143, of_open_mpi});
  statuses[0].asked = true;
  const auto one = failures_in(statuses);
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].host, "n2");
  EXPECT_EQ(one[0].ranks, std::vector<int>{1});
  EXPECT_EQ(one[0].text.find("mpirun's daemon on n2 was lost"), 0U) << one[0].text;
  statuses[1].asked = true;
  EXPECT_TRUE(failures_in(statuses).empty()) << "all were asked to end";
}

TEST(Failures, OfRanksThatWroteToALostMpirunAreNotTheirs) {
  auto statuses = ended_with({0, 0});
  for (auto& status : statuses) status.signal = SIGPIPE, status.phase = "the end";
  const auto findings = failures_in(statuses);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].text,
            "mpirun was lost, in the end: it was killed or has crashed (signal 13, Broken pipe in rank 0)");
}

TEST(Failures, NameAMpirunThatWasKilledHoweverItsRanksEnded) {
  auto by_us = ended_with({0, 0}), by_pipe = ended_with({0, 3});
  for (auto& status : by_us) status.signal = SIGKILL;
  by_pipe[0].signal = SIGPIPE;
  for (const auto& statuses : {ended_with({0, 0}), ended_with({of_open_mpi, 3}), by_us, by_pipe}) {
    const auto findings = failures_in(statuses, mpirun_lost_by(SIGKILL));
    ASSERT_EQ(findings.size(), 1U) << findings[1].text;
    EXPECT_EQ(findings[0].host, "");
    EXPECT_EQ(findings[0].text,
              "mpirun was lost, in forward of step 5: it was killed or has crashed (signal 9, Killed)");
  }
  EXPECT_EQ(failures_in({}, mpirun_lost_by(SIGKILL))[0].text,
            "mpirun was lost, in start-up: it was killed or has crashed (signal 9, Killed)");
  const auto with_an_error = failures_in(ended_with({4, of_open_mpi}), mpirun_lost_by(SIGSEGV));
  ASSERT_EQ(with_an_error.size(), 2U);
  EXPECT_EQ(with_an_error[1].text, "rank 0 on n1 left with exit code 4 in forward of step 5");
}

}  // namespace
}  // namespace lockstep
