// Sums the gradients of a step from micro-batches to shards: this rank's part of the tree, then the
// reduce-scatter over all ranks.
#pragma once

#include <memory>

#include "collectives/reduction.hpp"
#include "worker/ranks/job.hpp"
#include "worker/step/gradient_tree.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// One sum per step, over all micro-batches of all ranks. During backward of the last micro-batch, the sums
/// that are complete are published to the Reduction, so that it overlaps with backward.
class GradientSum {
 public:
  /// Collective. Both arguments must outlive this. Throws Error (out of memory), CollectiveError.
  GradientSum(Job& job, const Workload& workload);

  void start();
  void begin_leaf(std::int64_t leaf);
  /// Adds the leaf's value at layout entry `entry`; call it once per entry, in any order.
  void add(std::size_t entry, const at::Tensor& value);
  /// Ends the leaf. Between GPUs, collective after this rank's last leaf. Throws CollectiveError.
  void end_leaf();
  /// Collective: this rank's shard of the sum, float32 [shard.size()] on the model's device; the same memory
  /// each time. Throws CollectiveError.
  at::Tensor finish();

 private:
  void send();

  const Compute& compute_;
  Range own_;
  std::unique_ptr<Reduction> reduction_;
  std::unique_ptr<GradientTree> tree_;
  at::Tensor sum_;
  bool last_leaf_ = false;
};

}  // namespace lockstep
