// What the launcher finds out about its machine.
#include "launcher/machine.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include "common/cpu_quota.hpp"
#include "common/error.hpp"

namespace lockstep {
namespace {

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
  EXPECT_NE(program_beside_this("machine_test").find("/machine_test"), std::string::npos);
  try {
    program_beside_this("no-such-program");
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::io);
    EXPECT_NE(std::string(error.what()).find("/no-such-program"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("make build"), std::string::npos);
  }
}

}  // namespace
}  // namespace lockstep
