// The device side of the double: streams and memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <deque>
#include <functional>

#include "tests/support/nccl_double/operations.hpp"

/// The queued operations of a stream, in order. An operation is called again and again until it returns true:
/// then it is done.
struct CUstream_st {
  bool ordinary = true;  ///< waits for the legacy default stream, which waits for it
  std::deque<std::function<bool()>> operations;
};

/// An event. The legacy default stream runs its operations at once, so that there is nothing to wait for.
struct CUevent_st {
  bool recorded = false;    ///< and not yet waited for
  bool timed = false;       ///< may be recorded any number of times; no stream ever waits for it
  double milliseconds = 0;  ///< when
};
