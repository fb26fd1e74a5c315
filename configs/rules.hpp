// The second list: what must hold between the values of several parameters.
#pragma once

#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// A rule that the configuration breaks.
struct BrokenRule {
  /// The parameters it compares, the most likely culprit first; the problem is shown at the first that is not a default.
  std::vector<std::string> names;
  Problem problem;
};

/// All rules that `config` breaks. Each value must be within its own bounds, or be left out by ignoring the rules that name
/// it.
std::vector<BrokenRule> broken_rules(const Config& config);

}  // namespace lockstep
