// The command that starts the ranks, and the process that runs it.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "common/error.hpp"
#include "launcher/machine.hpp"
#include "launcher/mpirun.hpp"
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
  EXPECT_EQ(default_ranks(8, 1), 8);
  EXPECT_EQ(default_ranks(8, 3), 2);
  EXPECT_EQ(default_ranks(2, 4), 1);
  EXPECT_EQ(default_ranks(1, 1), 1);
}

TEST(MpirunCommand, EndsWithTheWorkerAndItsArguments) {
  const std::vector<std::string> argv = mpirun_command(launch_of(2, 2)).argv;
  const std::vector<std::string> front(argv.begin(), argv.begin() + 3);
  EXPECT_EQ(front, (std::vector<std::string>{"mpirun", "-np", "2"}));
  const std::vector<std::string> back(argv.end() - 4, argv.end());
  EXPECT_EQ(back,
            (std::vector<std::string>{"/opt/lockstep/bin/lockstep-worker", "a.toml", "--set", "run.name=x"}));
}

TEST(MpirunCommand, YieldsTheCoreOnlyWhenRanksExceedCores) {
  EXPECT_FALSE(contains(mpirun_command(launch_of(2, 2)).argv, "mpi_yield_when_idle"));
  EXPECT_TRUE(contains(mpirun_command(launch_of(3, 2)).argv, "mpi_yield_when_idle"));
}

TEST(MpirunCommand, AllowsRootOnlyForRoot) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(mpirun_command(launch), "OMPI_ALLOW_RUN_AS_ROOT"), "not set");
  launch.root = true;
  EXPECT_EQ(value_of(mpirun_command(launch), "OMPI_ALLOW_RUN_AS_ROOT"), "1");
  EXPECT_EQ(value_of(mpirun_command(launch), "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1");
}

TEST(MpirunCommand, AsksForABarOnATerminalAndForJsonElsewhere) {
  Launch launch = launch_of(1, 1);
  EXPECT_EQ(value_of(mpirun_command(launch), "LOCKSTEP_PROGRESS"), "json");
  EXPECT_EQ(value_of(mpirun_command(launch), "LOCKSTEP_COLUMNS"), "not set");
  launch.terminal_columns = 97;
  EXPECT_EQ(value_of(mpirun_command(launch), "LOCKSTEP_PROGRESS"), "bar");
  EXPECT_EQ(value_of(mpirun_command(launch), "LOCKSTEP_COLUMNS"), "97");
  EXPECT_TRUE(contains(mpirun_command(launch).argv, "LOCKSTEP_COLUMNS"))
      << "handed on to other hosts with -x";
}

TEST(MpirunCommand, SilencesTheBannersOfMpirunUnlessVerbose) {
  Launch launch = launch_of(1, 1);
  EXPECT_TRUE(contains(mpirun_command(launch).argv, "--quiet"));
  launch.verbose = true;
  EXPECT_FALSE(contains(mpirun_command(launch).argv, "--quiet"));
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
  EXPECT_EQ(usable_cores(), CPU_COUNT(&before));
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
  EXPECT_EQ(run_to_end(shell("kill -SEGV $$")).status, 128 + SIGSEGV);
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

}  // namespace
}  // namespace lockstep
