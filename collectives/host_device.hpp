// What the host's compiler and nvcc read alike. C++17, as all that includes it for nvcc.
#pragma once

#ifdef __CUDACC__
#define LOCKSTEP_HOST_DEVICE __host__ __device__
#else
#define LOCKSTEP_HOST_DEVICE
#endif

namespace lockstep {

/// The one addition of which all sums of gradients consist, on the host and on the GPU: float32, rounded
/// once.
LOCKSTEP_HOST_DEVICE inline float added(float left, float right) { return left + right; }

}  // namespace lockstep
