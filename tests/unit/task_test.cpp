#include "common/task.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(Task, ShowsThisProcessWhateverItsName) {
  ASSERT_EQ(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
  const auto before = task_in("/proc/self");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->name, "a) R 1 (b");
  EXPECT_EQ(before->state, 'R');
  EXPECT_EQ(before->parent, getppid());
  EXPECT_GT(before->start_ticks, 0U);
  std::optional<Task> after = before;
  while (after && after->cpu_seconds < before->cpu_seconds + 0.02) after = task_in("/proc/self");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->start_ticks, before->start_ticks);
}

TEST(Task, ShowsAChildThatHasEndedUntilItIsReaped) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto task = task_in(folder_of_process(child));
  ASSERT_TRUE(task);
  EXPECT_EQ(task->state, 'Z');
  EXPECT_EQ(task->parent, getpid());
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(task_in(folder_of_process(child)));
}

}  // namespace
}  // namespace lockstep
