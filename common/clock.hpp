// Monotonic time, for reports and deadlines only: no result of a run may depend on it.
#pragma once

#include <chrono>

namespace lockstep {

using Clock = std::chrono::steady_clock;

/// Seconds since `start`.
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace lockstep
