// Rules between parameters: what must hold between the values of several of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

struct Rule {
  /// The parameters that it compares, the most likely cause first: a problem is shown at the first that is
  /// not at its default.
  std::vector<std::string> names;
  std::string says;  ///< what must hold, as a sentence
  /// What is wrong if the rule is broken. May assume that each value is within its own bounds.
  std::optional<Problem> (*broken)(const Config&);
};

const std::vector<Rule>& rules();

/// The rules that compare this parameter with others.
std::vector<const Rule*> rules_on(const Parameter& row);

struct BrokenRule {
  std::vector<std::string> names;
  Problem problem;
};

/// All rules that `config` breaks. If a value is not within its own bounds, the caller must ignore the rules
/// that name it.
std::vector<BrokenRule> broken_rules(const Config& config);

}  // namespace lockstep
