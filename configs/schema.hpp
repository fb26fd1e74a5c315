// The JSON Schema of a configuration, for editors that complete and check TOML.
#pragma once

#include <string>

namespace lockstep {

/// JSON Schema draft-07 of the whole file, indented, with a newline at its end: types, ranges, choices,
/// defaults and descriptions of every parameter. It knows no rules between values, and takes 3.0 for a whole
/// number, which load_config does not.
std::string configuration_schema();

}  // namespace lockstep
