// Warns of learning rates that are ten times or more away from published ones, with which training rarely
// works.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

/// A warning of one line for each rate that is far from what its optimiser usually needs, with what to write
/// instead. Rates are compared after lr_scaling.
std::vector<std::string> unusual_rates(const ResolvedConfig& resolved);

}  // namespace lockstep
