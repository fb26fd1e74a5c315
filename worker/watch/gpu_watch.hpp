// How this rank's GPU fares, as its sentinel watches it through NVML: beside CUDA, which it never touches.
#pragma once

#include <memory>

#include "common/gpu_health.hpp"

namespace lockstep {

/// A thread of its own reads, since NVML can take seconds where the driver is in trouble, and the sentinel's
/// beats must go on.
class GpuWatch {
 public:
  /// At every beat: begins once the rank has stamped its GPU. That GPU and its latest health; one that does
  /// not exist where the rank has none.
  RankGpu look();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  ///< with the thread, which outlives this where NVML hangs
  RankGpu gpu_;
};

}  // namespace lockstep
