// The value of one parameter, whatever its type, and how it is written in TOML.
#pragma once

#include <string>
#include <variant>

#include "configs/config.hpp"

namespace lockstep {

/// Holds one of the types of configs/config.hpp; which one, the row of the table decides.
using Value = std::variant<Integer, Real, Flag, Text, Integers, Reals, AutoInteger, AutoReal>;

/// The value as it stands to the right of "key =" in TOML: shortest digits that read back exactly, strings
/// quoted, "auto" for an AutoInteger or AutoReal without number and, if `empty_is_auto`, for an empty list.
std::string toml_text(const Value& value, bool empty_is_auto);

/// Shortest digits that read back exactly; always with a point or an exponent, so that TOML takes it for a
/// float.
std::string real_text(double number);

/// The same for a limit of whole numbers or fractions alike: 1048576 rather than 1048576.0.
std::string limit_text(double limit);

/// A TOML basic string: quotes, backslashes and control characters escaped.
std::string quoted(const std::string& text);

}  // namespace lockstep
