// The updates of a shard in host memory.
#pragma once

#include "worker/optim/update_kernels.hpp"

namespace lockstep {

/// Applies `rule` to every element of the job's pieces, and with `averaged` updates their moving average, in
/// one pass. All pointers are to host memory.
void update_in_host_memory(UpdateRule rule, bool averaged, const UpdateJob& job);

}  // namespace lockstep
