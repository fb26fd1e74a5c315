// The gradients of a step on their way from the micro-batches to the shards: this rank's part of the tree,
// then the sum over all ranks.
#pragma once

#include <memory>

#include "collectives/reduction.hpp"
#include "worker/ranks/job.hpp"
#include "worker/step/gradient_tree.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// One sum a step over all micro-batches of all ranks. What the last micro-batch's backward has completed is
/// published to the Reduction while backward goes on.
class GradientSum {
 public:
  /// Collective. Both must outlive it. Throws Error (out of memory), CollectiveError.
  GradientSum(Job& job, const Workload& workload);

  void start();
  void begin_leaf(std::int64_t leaf);
  /// The value that the leaf has at layout entry `entry`; once for each, in any order.
  void add(std::size_t entry, const at::Tensor& value);
  /// After this rank's last leaf collective over GPUs. Throws CollectiveError.
  void end_leaf();
  /// Collective: this rank's shard of the sum, float32 where the model computes; the same memory each time.
  /// Throws CollectiveError.
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
