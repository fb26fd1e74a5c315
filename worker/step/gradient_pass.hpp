// A pass over the micro-batches of a step: from their samples to the sum of their gradients over all ranks.
#pragma once

#include <cstdint>
#include <functional>

#include "worker/data/loader.hpp"
#include "worker/ranks/job.hpp"
#include "worker/step/gradient_hooks.hpp"
#include "worker/step/gradient_sum.hpp"
#include "worker/step/workload.hpp"
#include "worker/watch/phase_clock.hpp"

namespace lockstep {

class GradientPass {
 public:
  /// Forward and backward of one micro-batch, as forward_backward().
  using ComputeLeaf =
      std::function<void(std::int64_t micro_batch, const MicroBatch& batch, const GradientSink& sink)>;

  /// Collective. Micro-batches are prepared ahead, for steps below `last_step`. All arguments must outlive
  /// this. Throws Error (out of memory), CollectiveError.
  GradientPass(Job& job, const Workload& workload, std::int64_t last_step);

  /// Collective: runs `compute_leaf` on each of this rank's micro-batches of `step` (steps done before it),
  /// in order, and meanwhile adds what it passes to its sink up the tree. Returns this rank's shard of the
  /// sum over all ranks, float32 [shard.size()] on the model's device; the same memory each time. Throws
  /// CollectiveError.
  at::Tensor sum(std::int64_t step, PhaseClock& clock, const ComputeLeaf& compute_leaf);

  GradientHooks& hooks() { return hooks_; }
  /// The messages and bytes of gradients that this rank has sent so far.
  const Transport::Sent& sent() const { return sent_; }

 private:
  Job& job_;
  const Workload& workload_;
  Range own_;  ///< this rank's micro-batches of a step
  GradientHooks hooks_;
  GradientSum sum_;
  GradientSink sink_;
  Transport::Sent sent_;
  Loader loader_;
};

}  // namespace lockstep
