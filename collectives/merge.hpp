// The one place where two pieces are added, for the host and for the GPU alike. C++17, because nvcc reads it
// too.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define LOCKSTEP_HOST_DEVICE __host__ __device__
#else
#define LOCKSTEP_HOST_DEVICE
#endif

namespace lockstep {

/// The sum of two neighbouring nodes in float32, one rounding.
LOCKSTEP_HOST_DEVICE inline float sum_of(float left, float right) { return left + right; }

/// left[i] = left[i] + right[i]. Not __restrict__: what one merge writes the next one reads, and with it nvcc
/// loads the operands of the next merge before it stores the sum of this one.
LOCKSTEP_HOST_DEVICE inline void merge_element(float* left, const float* right, std::int64_t i) {
  left[i] = sum_of(left[i], right[i]);
}

}  // namespace lockstep
