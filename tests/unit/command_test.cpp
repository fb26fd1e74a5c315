// The command that starts the ranks.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "launcher/mpirun.hpp"

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

}  // namespace
}  // namespace lockstep
