// A micro-batch that is the same at every start of a run: its results show whether a host, its driver and its
// libraries still compute the run's bits.
#pragma once

#include "common/hash.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Uses the run's model with its current weights, its micro-batch size, number format, memory format and
/// device, and samples that depend on their position alone. For a workload whose model has its initial
/// weights.
class FixedMicroBatch {
 public:
  /// Copies the model's weights to the device; `workload` must outlive this. Not collective.
  FixedMicroBatch(at::Device device, const Workload& workload);
  /// Moves the model back to host memory, with the weights that it had.
  ~FixedMicroBatch();
  FixedMicroBatch(const FixedMicroBatch&) = delete;
  FixedMicroBatch& operator=(const FixedMicroBatch&) = delete;

  /// Runs forward and backward, and returns the hash of loss, statistics and all gradients. Not collective.
  /// Throws Error (config) if a batch norm gets one value per channel, as it would in every step.
  Hash128 compute() const;

 private:
  const Workload& workload_;
  at::Tensor weights_;  ///< float32 [layout.size()], in host memory
  MicroBatch batch_;
};

}  // namespace lockstep
