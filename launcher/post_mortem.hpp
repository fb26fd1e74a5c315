// What a run folder tells of the end of a run: which rank failed first, and its last words.
#pragma once

#include <string>
#include <vector>

#include "common/diagnosis.hpp"

namespace lockstep {

/// The finding's text, and under it the last lines of the log of a rank that died or ran out of memory.
std::string describe(const Finding& finding, const std::string& run);

/// Once the ranks have ended: the first failure, then those that are no consequence of it. Empty where the
/// run folder tells of none.
std::vector<Finding> failures_of(const std::string& run);

/// Whether the ranks left because a signal had asked one of them to, and saved.
bool stopped_in_order(const std::string& run);

}  // namespace lockstep
