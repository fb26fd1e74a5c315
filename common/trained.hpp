// Whether a run folder holds anything that was computed.
#pragma once

#include <string>

namespace lockstep {

/// A start that was refused, for its data or for want of GPUs, leaves nothing that another plan would spoil.
bool nothing_is_trained(const std::string& run);

}  // namespace lockstep
