// Monotonic time, for reports and deadlines only. Nothing measured here may steer the numbers.
#pragma once

#include <chrono>

namespace lockstep {

using Clock = std::chrono::steady_clock;

/// Seconds since `start`.
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace lockstep
