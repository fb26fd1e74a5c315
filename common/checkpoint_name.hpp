// How published checkpoints are called in RUN/checkpoint: step-00000042.
#pragma once

#include <string>

namespace lockstep {

inline bool is_checkpoint_name(const std::string& name) {
  return name.starts_with("step-") && name.size() > 5 &&
         name.find_first_not_of("0123456789", 5) == std::string::npos;
}

/// Of two names of checkpoints. Longer numbers are larger; of equal length, the alphabet decides.
inline bool is_newer_checkpoint(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

}  // namespace lockstep
