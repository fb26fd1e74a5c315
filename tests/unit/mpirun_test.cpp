// Open MPI's mpirun: which one it is, what it prints itself, and what it passes on to the programs it starts.
#include "launcher/mpirun.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "launcher/mpiruns_words.hpp"
#include "launcher/open_mpi.hpp"
#include "launcher/relay.hpp"
#include "tests/unit/refusal.hpp"

namespace lockstep {
namespace {

constexpr const char* path = "/opt/bin/mpirun";

TEST(AnMpirun, OfOpenMpi41Or5IsKnown) {
  EXPECT_EQ(open_mpi_of("mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/\n", path), 4);
  EXPECT_EQ(open_mpi_of("mpirun (Open MPI) 5.0.11\n", path), 5);
  EXPECT_EQ(open_mpi_of("warning: no home\nmpirun (Open MPI) 5.1.0a1\n", path), 5);
}

TEST(AnMpirun, OfAnotherVersionOrAnotherMpiIsRefusedWithItsName) {
  const auto refused = [](const std::string& answer, std::initializer_list<std::string> parts) {
    expect_refused(
        ExitCode::config, [&] { open_mpi_of(answer, path); }, parts);
  };
  refused("mpirun (Open MPI) 3.1.6\n", {path, "of Open MPI 3.1", "4.1 and 5", "first in PATH"});
  refused("mpirun (Open MPI) 4.0.7\n", {"of Open MPI 4.0"});
  refused("mpirun (Open MPI) 6.0.0\n", {"of Open MPI 6.0"});
  refused("HYDRA build details:\n    Version: 4.1.1\n", {path, "not Open MPI's", "MPICH's", "openmpi-bin"});
  refused("Intel(R) MPI Library for Linux* OS, Version 2021.10 Build 20230619\n", {"Intel MPI's"});
  refused("\n what?\nmore", {"it answers what?", "first in PATH"});
  refused("", {"it answers nothing"});
}

TEST(AVariable, OfARankIsNotThatOfAUser) {
  for (const char* name :
       {"OMPI_COMM_WORLD_SIZE", "OMPI_UNIVERSE_SIZE", "OMPI_MCA_orte_hnp_uri", "OMPI_MCA_ess",
        "PMIX_NAMESPACE", "PMIX_SERVER_URI41", "PMI_RANK", "PMI2_SIZE", "PRTE_LAUNCHED"})
    EXPECT_TRUE(is_of_a_rank(name)) << name;
  for (const char* name :
       {"OMPI_MCA_btl", "OMPI_MCA_orte_tmpdir_base", "OMPI_ALLOW_RUN_AS_ROOT", "PMIX_MCA_gds",
        "PRTE_MCA_plm_ssh_agent", "PMIX_PREFIX", "OMPI_HOME", "PATH", "SLURM_PMIX_FENCE"})
    EXPECT_FALSE(is_of_a_rank(name)) << name;
}

Launch launch_of(int open_mpi, std::vector<Host> hosts = {}) {
  Launch launch;
  launch.open_mpi = open_mpi;
  launch.ranks = 2;
  launch.cores = 2;
  launch.hosts = std::move(hosts);
  launch.worker = "/opt/lockstep/bin/lockstep-worker";
  return launch;
}

bool contains(const Launch& launch, const std::string& words) {
  return shell_line(command_for(launch)).find(words) != std::string::npos;
}

TEST(OpenMpi5, IsToldOfARemoteShellInItsOwnWords) {
  auto launch = launch_of(5, {{"node_1", 2}});
  launch.remote_shell = "/rack/enter";
  launch.network = "10.0.0.0/8";
  EXPECT_TRUE(contains(launch, "--mca plm ssh --mca plm_ssh_agent /rack/enter"));
  EXPECT_TRUE(contains(launch, "plm_ssh_no_tree_spawn"));
  EXPECT_TRUE(contains(launch, "btl_tcp_if_include 10.0.0.0/8"));
  for (const char* word : {"rsh_", "regx", "oob_tcp_if_include"})
    EXPECT_FALSE(contains(launch, word)) << word;
}

TEST(OpenMpi41, IsKeptFromShorteningNamesThatItReadsOtherwise) {
  EXPECT_TRUE(contains(launch_of(4, {{"a", 1}, {"node_1", 1}}), "--mca regx naive"));
  EXPECT_FALSE(contains(launch_of(4, {{"a", 1}, {"node-1", 1}}), "regx"));
}

TEST(RanksOfThisMachineAlone, ListenOnNoNetwork) {
  auto launch = launch_of(4);
  EXPECT_TRUE(contains(launch, "--mca pml ob1 --mca btl vader,self"));
  EXPECT_TRUE(contains(launch_of(5), "--mca pml ob1 --mca btl sm,self"));
  EXPECT_FALSE(contains(launch_of(4, {{"a", 2}}), "btl vader"));
  launch.other_btl = true;
  EXPECT_FALSE(contains(launch, "--mca btl")) << "as the user has set it";
  launch.other_btl = false, launch.room_to_share = false;
  EXPECT_FALSE(contains(launch, "--mca btl")) << "/dev/shm is too small for their messages";
}

const std::string rule = std::string(74, '-') + "\n";

TEST(MpirunsWords, AreHeldBackAndThoseOfRanksAreNot) {
  MpirunsWords words(/*hold_back=*/true);
  EXPECT_EQ(words.pass("warning: one\nwarn"), "warning: one\n");
  EXPECT_EQ(words.pass("ing: two\n" + rule + "unable to launch\n\n  n1\n" + rule + "{\"event\": 1}\n"),
            "warning: two\n{\"event\": 1}\n");
  EXPECT_EQ(words.said(), "unable to launch\n\n  n1\n");
  EXPECT_EQ(words.pass("mpirun: Forwarding signal 10 to job\n2 total processes failed to start\n"), "");
  EXPECT_EQ(words.pass("---\n-- as in a table\n"), "---\n-- as in a table\n");
  EXPECT_EQ(words.pass("no end of line"), "");
  EXPECT_EQ(words.rest(), "no end of line");
}

TEST(MpirunsWords, ThatOnlySayHowARankEndedAreLeftOut) {
  MpirunsWords words(/*hold_back=*/true);
  words.pass(rule +
             "mpirun noticed that process rank 0 with PID 1 on node vm exited on signal 9 (Killed).\n" +
             rule);
  words.pass(rule + "Primary job  terminated normally, but 1 process returned\na non-zero exit code.\n" +
             rule);
  EXPECT_EQ(words.said(), "");
}

TEST(MpirunsWords, AreShownWhereTheirBannerHasNoEnd) {
  MpirunsWords words(/*hold_back=*/true);
  EXPECT_EQ(words.pass(rule + "what a rank says\n"), "");
  EXPECT_EQ(words.rest(), "what a rank says\n");
  MpirunsWords more(/*hold_back=*/true);
  more.pass(rule);
  const std::string lines(9000, 'x');
  EXPECT_EQ(more.pass(lines + "\n"), lines + "\n");
  EXPECT_EQ(more.pass("after\n"), "after\n");
}

TEST(MpirunsWords, AreShownWhereTheUserAsksForThemAndTheSignOfRanksNever) {
  MpirunsWords words(/*hold_back=*/false);
  EXPECT_FALSE(words.ranks_were_there());
  EXPECT_EQ(words.pass(rule + "text\n" + rule + std::string(ranks_are_there) + "\n"), rule + "text\n" + rule);
  EXPECT_TRUE(words.ranks_were_there());
}

TEST(MpirunsWords, TellTheSignOfRanksBehindALabelAndBehindWhatHasNoEnd) {
  const std::string sign(ranks_are_there);
  for (const auto* label : {"0: ", "[1,0]<stderr>:", ""}) {
    MpirunsWords words(/*hold_back=*/true);
    EXPECT_EQ(words.pass(label + sign + "\n"), "");
    EXPECT_TRUE(words.ranks_were_there()) << label;
  }
  MpirunsWords words(/*hold_back=*/true);
  EXPECT_EQ(words.pass("NCCL INFO half" + sign + "\n"), "NCCL INFO half\n");
  EXPECT_TRUE(words.ranks_were_there());
}

TEST(ARelay, DropsWhatNobodyReadsAnyLonger) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Relay relay(ends[1], /*by_lines=*/true, /*hold_back=*/true);
  const int writer = dup(relay.write_end());
  relay.start();
  ASSERT_EQ(write(writer, "one\n", 4), 4);
  char text[8] = "";
  ASSERT_EQ(read(ends[0], text, sizeof text), 4);
  EXPECT_STREQ(text, "one\n");
  close(ends[0]);
  const std::string much(1 << 20, 'x');  // more than a pipe holds
  EXPECT_EQ(write(writer, much.data(), much.size()), ssize_t(much.size()));
  relay.finish();  // although the writer is still running
  close(writer);
  close(ends[1]);
}

}  // namespace
}  // namespace lockstep
