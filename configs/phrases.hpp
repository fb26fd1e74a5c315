// The columns of a row in words, shared by explanations, documents and templates.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// "a whole number, 1 .. 1048576 (samples)"; "one of sgd, adamw".
std::string domain_text(const Parameter& row);

/// The labels of a row's two pieces of advice: "raise" and "lower" for numbers, "on" and "off" for flags,
/// and "advice" twice for values without a direction.
std::pair<std::string, std::string> directions(const Parameter& row);

/// The search range, "16 .. 4096, logarithmic"; "" if the parameter is not searched.
std::string tuning_text(const Parameter& row);

std::string effect_text(const Parameter& row);

/// The sentences of the rules on this parameter.
std::vector<std::string> rule_texts(const Parameter& row);

}  // namespace lockstep
