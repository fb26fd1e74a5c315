// Sums of squares in eight fixed lanes. C++17, because nvcc reads it too.
#pragma once

#include "collectives/host_device.hpp"

namespace lockstep {

inline constexpr int lanes = 8;  ///< element i belongs to lane i % lanes

/// `lane` plus the square of `value`, in double: the square is exact, the addition rounds once.
LOCKSTEP_HOST_DEVICE inline double with_square(double lane, float value) {
  const double wide = value;
  return lane + wide * wide;
}

/// The sum of the lanes, in the order in which vector registers are folded.
LOCKSTEP_HOST_DEVICE inline double sum_of_lanes(const double* lane) {
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

}  // namespace lockstep
