// A program that the launcher runs until it ends.
#include "launcher/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "common/error.hpp"

namespace lockstep {
namespace {

Command shell(const std::string& script) { return Command{{"/bin/sh", "-c", script}, {}}; }

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
  // The program asks this process to end, as a batch system would, and waits until it is asked to end itself.
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

}  // namespace
}  // namespace lockstep
