// Exceptions of std::filesystem as errors of our own.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.hpp"

namespace lockstep {

/// `problem` is what could not be done with the path.
inline Error file_error(const std::filesystem::filesystem_error& failure,
                        const std::string& problem = "cannot read") {
  return file_error(problem, failure.path1().string(), failure.code().value());
}

}  // namespace lockstep
