// What happens to a process that is asked to end.
#include "worker/ranks/interruption.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/unit/scratch_folder.hpp"

namespace lockstep {
namespace {

[[noreturn]] void wait_for_ever() {
  for (;;) pause();
}

TEST(Interruption, EndsAProcessThatDoesNotLookAndSaysWhatItIsAt) {
  const auto hang = [] {
    catch_ending_signals();
    const BusyWith other("train/dog/2.png");
    { const BusyWith before("train/cat/1.png"); }
    raise(SIGTERM);
    raise(SIGINT);  // which counts as a request as well
    wait_for_ever();
  };
  EXPECT_EXIT(hang(), testing::ExitedWithCode(128 + SIGINT), "anything to save, while at train/dog/2.png");
}

TEST(Interruption, LeavesAProcessAloneThatHasSomethingToSave) {
  const auto save = [] {
    catch_ending_signals();
    raise(SIGTERM);
    leave_in_order_only();
    raise(SIGALRM);  // as if the time were up
    try {
      stop_if_asked();
    } catch (const Interrupted& interrupted) {
      _exit(interrupted.signal);
    }
  };
  EXPECT_EXIT(save(), testing::ExitedWithCode(SIGTERM), "");
}

TEST(Interruption, TakesTheUnfinishedFileAlong) {
  const ScratchFolder folder;
  const auto unfinished = folder.write("unfinished", ""), finished = folder.write("finished", "");
  const auto write = [&] {
    end_when_asked();
    note_unfinished(finished);
    note_unfinished(unfinished);
    raise(SIGHUP);
    wait_for_ever();
  };
  EXPECT_EXIT(write(), testing::ExitedWithCode(128 + SIGHUP), "");
  EXPECT_FALSE(std::filesystem::exists(unfinished));
  EXPECT_TRUE(std::filesystem::exists(finished));
}

}  // namespace
}  // namespace lockstep
