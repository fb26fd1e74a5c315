// Running statistics of batch norm for averaged weights, measured anew.
#pragma once

#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Collective: running statistics for other weights than those that were trained, exact: the mean over all
/// whole micro-batches of the training set, in order and not augmented, of their statistics
/// (torch.optim.swa_utils.update_bn). `weights` is float32 [layout.size()] on the host, the same on all
/// ranks; returned is a copy with new statistics. Models without batch norm come back as they are. Throws
/// CollectiveError.
at::Tensor with_exact_statistics(const Job& job, const Workload& workload, const at::Tensor& weights);

}  // namespace lockstep
