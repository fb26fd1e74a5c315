// A micro-batch that is the same at every start of a run: what it comes to tells whether a host, its driver
// and its libraries still compute the run's bits.
#pragma once

#include "common/hash.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// The run's model with the weights that it has now, its micro-batch size, number format and memory format,
/// on its device, and samples that are functions of their place alone. For a workload whose model has its
/// initial weights.
class FixedMicroBatch {
 public:
  /// Places the model's weights on the device; `workload` must outlive this. Not collective.
  FixedMicroBatch(at::Device device, const Workload& workload);
  /// The model is in host memory again, with the weights that it had.
  ~FixedMicroBatch();
  FixedMicroBatch(const FixedMicroBatch&) = delete;
  FixedMicroBatch& operator=(const FixedMicroBatch&) = delete;

  /// Computes it forward and backward. The hash of loss, statistics and all gradients. Not collective. Throws
  /// Error (config) where a batch norm gets one value a channel, as it would in every step.
  Hash128 compute() const;

 private:
  const Workload& workload_;
  at::Tensor weights_;  ///< float32 [layout.size()], in host memory
  MicroBatch batch_;
};

}  // namespace lockstep
