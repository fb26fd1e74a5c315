// The value of one parameter, whatever its type, and how it is written in TOML.
#pragma once

#include <string>
#include <variant>

#include "configs/config.hpp"

namespace lockstep {

/// A value of the type that the row of the table has.
using Value = std::variant<Integer, Real, Flag, Text, Integers, Reals, AutoInteger, AutoReal>;

/// The value as written after "key =" in TOML: shortest digits that read back exactly, strings quoted,
/// "auto" for an AutoInteger or AutoReal without a number and, if `empty_is_auto`, for an empty list.
std::string toml_text(const Value& value, bool empty_is_auto);

/// Shortest digits that read back exactly; always with a point or an exponent, so that TOML reads a float.
std::string real_text(double number);

/// The same for limits, which may be integers: 1048576 rather than 1048576.0.
std::string limit_text(double limit);

/// A TOML basic string: quotes, backslashes and control characters escaped.
std::string quoted(const std::string& text);

}  // namespace lockstep
