// Exceptions of the standard library that are errors of ours.
#pragma once

#include <filesystem>

#include "common/error.hpp"

namespace lockstep {

/// As if the operation had been one of our own.
inline Error file_error(const std::filesystem::filesystem_error& failure) {
  return file_error("cannot read", failure.path1().string(), failure.code().value());
}

}  // namespace lockstep
