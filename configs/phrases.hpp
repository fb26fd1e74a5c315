// What the columns of a row say, in the words that explanations, documents and templates share.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// "a whole number, 1 .. 1048576 (samples)"; "one of sgd, adamw".
std::string domain_text(const Parameter& row);

/// The words for the advice of `raise` and `lower`: "raise", "lower" for numbers, "on", "off" for flags, and
/// "advice" twice for what has no direction.
std::pair<std::string, std::string> directions(const Parameter& row);

/// "16 .. 4096, logarithmic"; "" if no search moves it.
std::string tuning_text(const Parameter& row);

std::string effect_text(const Parameter& row);

/// What the rules on this parameter say.
std::vector<std::string> rule_texts(const Parameter& row);

}  // namespace lockstep
