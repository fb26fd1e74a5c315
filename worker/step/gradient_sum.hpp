// The gradients of a step on their way from the micro-batches to the shards: this rank's part of the tree,
// then the sum over all ranks.
#pragma once

#include <memory>

#include "collectives/host_reduction.hpp"
#ifdef LOCKSTEP_WITH_NCCL
#include "collectives/nccl_reduction.hpp"
#endif
#include "worker/ranks/job.hpp"
#include "worker/step/gradient_tree.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// One sum a step over all micro-batches of all ranks. On the CPU it is made in memory that the ranks of a
/// host share, on GPUs over NCCL; either way what the last micro-batch's backward has filled goes while it
/// computes the rest. Over any other transport between GPUs it goes when all is computed.
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
  void publish(std::int64_t from);
  void send();

  const Compute& compute_;
  std::int64_t leaves_;
  Range own_;
  std::vector<Range> shards_;
  Rounding rounding_;
  std::unique_ptr<HostReduction> between_hosts_;  ///< or between GPUs:
#ifdef LOCKSTEP_WITH_NCCL
  std::unique_ptr<NcclReduction> over_nccl_;  ///< or, where it is another transport, none: reduce_scatter()
#endif
  std::unique_ptr<GradientTree> tree_;
  at::Tensor sum_;
  bool last_leaf_ = false;
};

}  // namespace lockstep
