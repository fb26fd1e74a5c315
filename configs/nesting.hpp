// Whether a text nests tables too deeply for toml++.
#pragma once

#include <cstdint>
#include <string_view>

namespace lockstep {

/// The first line whose dotted keys, such as a.b.c, could nest tables so deeply that toml++, which parses
/// them recursively, overflows the stack; 0 if there is none.
std::uint32_t line_nested_too_deep(std::string_view text);

}  // namespace lockstep
