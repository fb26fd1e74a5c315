// From a TOML node to the value of a row: the only conversions there are.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <variant>

#include "configs/registry.hpp"

namespace lockstep {

/// The value, of the row's type and within its bounds, or what is wrong with it. A whole number is accepted
/// where a number is wanted; nothing else is converted.
std::variant<Value, Problem> value_from_toml(const Parameter& row, const toml::node& node);

}  // namespace lockstep
