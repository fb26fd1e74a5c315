// What would end a job soon after Slurm has started it, and can be seen before it waits in the queue.
#pragma once

#include <string>

#include "configs/config.hpp"

namespace lockstep {

/// Throws Error (config) where `config` names data, weights or another file that this host does not see, or
/// `run` holds a run with another plan (unless `fresh`) or cannot be written; says how to submit all the
/// same.
void require_ready_for_job(const Config& config, const std::string& run, bool fresh);

}  // namespace lockstep
