// The gradients of a step on their way from the micro-batches to the shards: this rank's part of the tree,
// then the sum over all ranks.
#pragma once

#include <memory>

#include "collectives/host_reduction.hpp"
#include "worker/compute.hpp"
#include "worker/gradient_tree.hpp"
#include "worker/leaf.hpp"
#include "worker/workload.hpp"

namespace lockstep {

/// One sum a step over all micro-batches of all ranks. On the CPU it is made in memory that the ranks of a
/// host share, and buckets go as soon as the last micro-batch's backward has filled them; on GPUs over NCCL,
/// after it.
class GradientSum {
 public:
  /// Collective. `leaf` is what the gradients come through; it delivers to this from now on. Throws Error
  /// (config), CollectiveError.
  GradientSum(HostMemory& host, const Compute& compute, const Workload& workload, LeafDelivery& leaf);

  void start();
  void begin_leaf(std::int64_t leaf);
  void end_leaf();
  /// Collective: this rank's shard of the sum, float32 where the model computes; the same memory each time.
  /// Throws CollectiveError.
  at::Tensor finish();

 private:
  const Compute& compute_;
  std::int64_t leaves_;
  Range own_;
  std::vector<Range> shards_;
  std::unique_ptr<HostReduction> reduction_;  ///< null where NCCL does it
  std::unique_ptr<GradientTree> tree_;
  at::Tensor sum_;
  bool last_leaf_ = false;
};

}  // namespace lockstep
