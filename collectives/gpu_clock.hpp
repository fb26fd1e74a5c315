// When this rank's GPU has finished what it was given, without waiting for it, and without any header of
// CUDA.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "common/clock.hpp"

struct CUevent_st;  // of cuda_runtime_api.h

namespace lockstep {

/// Marks in the legacy default stream, where LibTorch computes. Times are on the host's clock; intervals
/// between them are measured by the GPU. For reports only. Use from the thread that made it.
class GpuClock {
 public:
  /// Of the thread's current GPU, for which it waits once. Throws Error (bug) in a build without CUDA. Every
  /// function throws GpuFailure when the GPU fails, and CollectiveError when CUDA cannot measure.
  GpuClock();
  ~GpuClock();
  GpuClock(const GpuClock&) = delete;
  GpuClock& operator=(const GpuClock&) = delete;

  /// When the clock was made.
  Clock::time_point start() const { return start_; }
  /// Marks the end of all that the GPU has been given so far.
  void mark();
  /// When the GPU reached the oldest mark that was not returned yet; nullopt if it has not reached it. Never
  /// waits.
  std::optional<Clock::time_point> next();
  /// Waits until the GPU has reached all marks.
  void finish();

 private:
  CUevent_st* event();

  Clock::time_point start_, last_moment_;
  CUevent_st* last_ = nullptr;  ///< the mark that last_moment_ belongs to
  std::deque<CUevent_st*> marks_;
  std::vector<CUevent_st*> unused_;
};

}  // namespace lockstep
