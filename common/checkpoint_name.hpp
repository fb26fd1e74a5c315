// Names of published checkpoints in RUN/checkpoint, such as step-00000042.
#pragma once

#include <string>

namespace lockstep {

inline bool is_checkpoint_name(const std::string& name) {
  return name.starts_with("step-") && name.size() > 5 &&
         name.find_first_not_of("0123456789", 5) == std::string::npos;
}

/// Compares step numbers without parsing them: the longer is larger, and of equal length the one that sorts
/// later.
inline bool is_newer_checkpoint(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

}  // namespace lockstep
