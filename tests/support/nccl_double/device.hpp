// The device side of the double: streams and memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <deque>
#include <functional>

#include "tests/support/nccl_double/operations.hpp"

/// What a stream has to do, in order. An operation is called again and again until it returns true: it is
/// done.
struct CUstream_st {
  bool ordinary = true;  ///< follows the legacy default stream, which follows it
  std::deque<std::function<bool()>> operations;
};

/// The legacy default stream does at once what it is given, so that there is nothing to wait for.
struct CUevent_st {
  bool recorded = false;    ///< and not yet waited for
  bool timed = false;       ///< recorded as often as one likes, and never waited for by a stream
  double milliseconds = 0;  ///< when
};
