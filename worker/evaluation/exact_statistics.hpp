// Recomputes batch norm's running statistics for averaged weights.
#pragma once

#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Collective: the exact running statistics for weights other than the trained ones: the mean of the batch
/// statistics over all whole micro-batches of the training set, in order and without augmentation
/// (torch.optim.swa_utils.update_bn). `weights`: float32 [layout.size()] in host memory, the same on all
/// ranks. Returns a copy with the new statistics; for models without batch norm, `weights` itself. Throws
/// CollectiveError, and Interrupted if a signal has asked any rank to end.
at::Tensor with_exact_statistics(const Job& job, const Workload& workload, const at::Tensor& weights);

}  // namespace lockstep
