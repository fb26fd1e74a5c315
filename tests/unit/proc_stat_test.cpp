#include "common/proc_stat.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(ProcStat, ShowsThisProcessWhateverItsName) {
  ASSERT_EQ(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
  const auto before = read_proc_stat("/proc/self");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->name, "a) R 1 (b");
  EXPECT_EQ(before->state, 'R');
  EXPECT_EQ(before->parent, getppid());
  EXPECT_GT(before->start_ticks, 0U);
  std::optional<ProcStat> after = before;
  while (after && after->cpu_seconds < before->cpu_seconds + 0.02) after = read_proc_stat("/proc/self");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->start_ticks, before->start_ticks);
}

TEST(ProcStat, ShowsAChildThatHasEndedUntilItIsReaped) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto process = read_proc_stat(folder_of_process(child));
  ASSERT_TRUE(process);
  EXPECT_EQ(process->state, 'Z');
  EXPECT_EQ(process->parent, getpid());
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(read_proc_stat(folder_of_process(child)));
}

}  // namespace
}  // namespace lockstep
