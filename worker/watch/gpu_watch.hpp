// How a sentinel watches the health of its rank's GPU: through NVML. It never touches CUDA.
#pragma once

#include <memory>

#include "common/gpu_health.hpp"

namespace lockstep {

/// Reads NVML on a thread of its own: NVML can take seconds when the driver is in trouble, and the sentinel's
/// heartbeats must go on.
class GpuWatch {
 public:
  /// Called at every heartbeat; starts the thread once the rank has stamped its GPU. Returns that GPU and its
  /// latest health, or a RankGpu that does not exist() if the rank has none.
  RankGpu look();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  ///< shared with the thread, which outlives this object if NVML hangs
  RankGpu gpu_;
};

}  // namespace lockstep
