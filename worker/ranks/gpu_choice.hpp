// Which of its host's GPUs a rank may use: all but those that have failed in this run.
#pragma once

#include <string>
#include <vector>

#include "collectives/transport.hpp"
#include "common/set_aside.hpp"

namespace lockstep {

/// $CUDA_VISIBLE_DEVICES as this process found it, before share_set_aside() changed it; empty if it was not
/// set. The set-aside file stores this value, which the processes of the next start find too.
const std::string& shown_at_start();

/// Collective: the GPUs that the run in `output` has set aside. Rank 0 reads the file, warns about them and
/// broadcasts it. Sets CUDA_VISIBLE_DEVICES so that CUDA, which must not have started yet, leaves this host's
/// failed GPUs alone.
SetAside share_set_aside(Transport& host, const std::string& output);

/// The indices of the GPUs that are not set aside, ascending; the same on all ranks of a host.
std::vector<int> usable_gpus(const SetAside& aside);

/// Throws Error (gpu_failed) if this rank is shown GPUs and all of them are set aside.
void require_gpu_not_aside(const SetAside& aside);

/// Why some GPUs of this host are missing, for a message: "GPU-8f6c... failed in this run:
/// status/set_aside.json"; empty if none is.
std::string why_gpus_are_missing(const SetAside& aside);

/// GPU `index` of this host, with what a later start needs to leave it out.
RankGpu describe_gpu(int index, const SetAside& aside);

}  // namespace lockstep
