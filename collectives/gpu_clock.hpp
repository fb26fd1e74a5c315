// When this rank's GPU has done what it was given, without waiting for it, and without any header of CUDA.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "common/clock.hpp"

struct CUevent_st;  // of cuda_runtime_api.h

namespace lockstep {

/// Marks on the legacy default stream, where LibTorch computes. Moments are told on the host's clock; their
/// distances are the GPU's own measure. For reports only. Use from the thread that made it.
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
  /// When the GPU came to the oldest mark that has not been asked for; nothing while it has not. Never waits.
  std::optional<Clock::time_point> next();
  /// Waits until the GPU has come to all marks.
  void finish();

 private:
  CUevent_st* event();

  Clock::time_point start_, last_moment_;
  CUevent_st* last_ = nullptr;  ///< the mark that last_moment_ belongs to
  std::deque<CUevent_st*> marks_;
  std::vector<CUevent_st*> unused_;
};

}  // namespace lockstep
