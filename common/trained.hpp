// Whether a run folder holds anything that was computed.
#pragma once

#include <string>

namespace lockstep {

/// False after a start that was refused, because of its data or for lack of GPUs: another plan may then use
/// the folder.
bool nothing_is_trained(const std::string& run);

}  // namespace lockstep
