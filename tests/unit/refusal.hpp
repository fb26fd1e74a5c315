// What a function refuses.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "common/error.hpp"

namespace lockstep {

/// Expects an Error with this code whose text has all `parts`.
template <class Function>
void expect_refused(ExitCode code, const Function& function, std::initializer_list<std::string> parts) {
  try {
    function();
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.exit_code(), code) << what;
    for (const auto& part : parts)
      EXPECT_NE(what.find(part), std::string::npos) << what << "\nlacks " << part;
  }
}

}  // namespace lockstep
