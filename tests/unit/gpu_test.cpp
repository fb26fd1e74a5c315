#include "collectives/gpu.hpp"

#include <gtest/gtest.h>

#include "common/error.hpp"

namespace lockstep {
namespace {

TEST(Gpu, ThereAreSomeWithNamesOrAReasonWhyNot) {
  EXPECT_EQ(gpu_count() == 0, !why_no_gpu().empty());
  for (int device = 0; device < gpu_count(); ++device) EXPECT_NE(gpu(device).name, "");
}

TEST(Gpu, OneThatDoesNotExistIsAnErrorOfTheConfiguration) {
  for (const auto& use : {+[](int device) { select_gpu(device); }, +[](int device) { gpu(device); }}) {
    try {
      use(gpu_count());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::config);
      EXPECT_EQ(std::string(error.what()).find("GPU " + std::to_string(gpu_count()) + " of "), 0u)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace lockstep
