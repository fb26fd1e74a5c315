// The device side of the double: streams and memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <deque>
#include <functional>

/// What a stream has to do, in order. An operation is called again and again until it returns true: it is
/// done.
struct CUstream_st {
  bool ordinary = true;  ///< follows the legacy default stream, which follows it
  std::deque<std::function<bool()>> operations;
};

/// The legacy default stream does at once what it is given, so that there is nothing to wait for.
struct CUevent_st {
  bool recorded = false;  ///< and not yet waited for
};

namespace lockstep::nccl_double {

/// The calling thread's GPU.
int current_device();

/// True when the test allows any memory, or all `bytes` from `data` lie in one block that cudaMalloc()
/// returned.
bool is_usable(const void* data, std::size_t bytes);

}  // namespace lockstep::nccl_double
