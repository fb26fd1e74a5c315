// The errors with which functions refuse their input.
#pragma once

#include <gtest/gtest.h>

#include <functional>
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

/// The message of the Error with code `config` that `action` throws.
inline std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::config);
    return error.what();
  }
  return "nothing was refused";
}

inline void expect_in(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace lockstep
