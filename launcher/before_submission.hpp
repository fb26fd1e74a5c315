// Checks before submission: what would end a job soon after its start, and can be seen before it queues.
#pragma once

#include <string>

#include "configs/config.hpp"

namespace lockstep {

/// Throws Error (config) if `config` names data, weights or other files that this host cannot see, or if
/// `run` holds a run with another plan (unless `fresh`) or is not writable; the message says how to submit
/// anyway.
void require_ready_for_job(const Config& config, const std::string& run, bool fresh);

}  // namespace lockstep
