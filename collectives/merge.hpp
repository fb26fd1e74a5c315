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

/// left[i] = left[i] + right[i] in float32, one rounding.
LOCKSTEP_HOST_DEVICE inline void merge_element(float* __restrict__ left, const float* __restrict__ right,
                                               std::int64_t i) {
  left[i] = left[i] + right[i];
}

}  // namespace lockstep
