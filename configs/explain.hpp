// What a parameter is, what it is set to, and when to change it: for people and for programs.
#pragma once

#include <string>

#include "configs/load.hpp"
#include "configs/registry.hpp"

namespace lockstep {

/// Several lines, each at most `columns` wide: value and origin, what it does, type, range and unit, when to
/// raise and lower it, how a search walks it, rules with others, other names, since.
std::string explanation(const Parameter& row, const ResolvedConfig& resolved, int columns);

/// The same as one line of JSON.
std::string explanation_json(const Parameter& row, const ResolvedConfig& resolved);

/// The section's purpose and its keys, one line each: the key, its value, what it does.
std::string explanation(const Section& section, const ResolvedConfig& resolved, int columns);

}  // namespace lockstep
