// Which of its host's GPUs a rank may have: all but those that have failed in this run.
#pragma once

#include <string>
#include <vector>

#include "collectives/transport.hpp"
#include "common/set_aside.hpp"

namespace lockstep {

/// $CUDA_VISIBLE_DEVICES as this process found it, before share_set_aside() changed it: what the file says of
/// it must be so in the next one too. Empty where it was not set.
const std::string& shown_at_start();

/// Collective: what the run `output` has set aside, as rank 0 reads it and warns of it. CUDA, which must not
/// have started yet, is told to leave this host's failed GPUs alone.
SetAside share_set_aside(Transport& host, const std::string& output);

/// The numbers of the GPUs that are not set aside, ascending; of all ranks of a host the same.
std::vector<int> usable_gpus(const SetAside& aside);

/// Throws Error (gpu_failed) where this rank is shown GPUs, and all of them are set aside.
void require_gpu_not_aside(const SetAside& aside);

/// Why some are missing, for a message: "GPU-8f6c... failed in this run: status/set_aside.json"; else empty.
std::string why_gpus_are_missing(const SetAside& aside);

/// The GPU of number `index` of this host, with what a later start needs in order to leave it out.
RankGpu describe_gpu(int index, const SetAside& aside);

}  // namespace lockstep
