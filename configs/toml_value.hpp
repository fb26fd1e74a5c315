// Converts TOML nodes to values of rows.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <variant>

#include "configs/registry.hpp"

namespace lockstep {

/// The value, of the row's type and within its bounds, or what is wrong with it. An integer is accepted
/// where a number is wanted; there are no other conversions.
std::variant<Value, Problem> value_from_toml(const Parameter& row, const toml::node& node);

}  // namespace lockstep
