// Stochastic weight averaging (Izmailov et al. 2018): the plain mean of the weights at ends of epochs,
// sharded like the optimiser's state.
#pragma once

#include <cstdint>

#include "configs/config.hpp"
#include "worker/compute.hpp"
#include "worker/state.hpp"
#include "worker/workload.hpp"

namespace lockstep {

/// Whether the weights at the end of epoch `epoch` (from 1) enter the mean: every swa_every_epochs-th from
/// the start on.
bool enters_mean(const Config& config, std::int64_t epoch);

/// Collective: running statistics for other weights than those that were trained, exact: the mean over all
/// whole micro-batches of the training set, in order and not augmented, of their statistics
/// (torch.optim.swa_utils.update_bn). `weights` is float32 [layout.size()] on the host, the same on all
/// ranks; returned is a copy with new statistics. Models without batch norm come back as they are. Throws
/// CollectiveError.
at::Tensor with_exact_statistics(Transport& host, const Compute& compute, const Workload& workload,
                                 const at::Tensor& weights);

}  // namespace lockstep
