// What a parameter is, what it is set to, and when to change it: for people and for programs.
#pragma once

#include <string>

#include "configs/load.hpp"
#include "configs/registry.hpp"

namespace lockstep {

/// Several lines of at most `columns` characters: value and origin, what it does, type, range and unit, when
/// to raise and lower it, the range for hyper-parameter search, rules with others, aliases, first version.
std::string explanation(const Parameter& row, const ResolvedConfig& resolved, int columns);

/// The same as one line of JSON.
std::string explanation_json(const Parameter& row, const ResolvedConfig& resolved);

/// The section's purpose and its keys, one line each: the key, its value, what it does.
std::string explanation(const Section& section, const ResolvedConfig& resolved, int columns);

}  // namespace lockstep
