// The JSON Schema of a configuration, for editors that complete and check TOML.
#pragma once

#include <string>

namespace lockstep {

/// JSON Schema draft-07 of a configuration file, indented, ending in a newline: type, range, choices,
/// default and description of every parameter. It does not express rules between values, and accepts 3.0 as
/// an integer, which load_config() does not.
std::string configuration_schema();

}  // namespace lockstep
