// Learning rates that hardly ever train anything: ten times and more away from what others use.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

/// A warning, on one line, for each rate that is far from what its optimiser usually needs, with what to
/// write instead. Rates are judged as they are after lr_scaling.
std::vector<std::string> unusual_rates(const ResolvedConfig& resolved);

}  // namespace lockstep
