// Keeps the meaning of files that were written for older versions of the table, to the bit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// The top-level key of a file that names its version.
inline constexpr const char* kVersionKey = "config_version";

/// The version assumed for a file that names none: it may have been written before there was a second one.
inline constexpr Integer kUnnamedVersion = 1;

/// A default that was changed after `last_version`.
struct FormerDefault {
  Integer last_version;
  std::string name;
  Value value;
};

/// The former defaults that files of `version` keep.
std::vector<FormerDefault> former_defaults(Integer version);
/// Whether the templates give a value for `name` only since a version after `version`.
bool is_new_in_templates(const std::string& name, Integer version);

/// The name of a former default in ResolvedConfig::origin.
std::string former_origin(const FormerDefault& former);
/// The defaults of `row` in files of older versions, in words; empty if the default has never changed.
std::string former_default_text(const Parameter& row);

}  // namespace lockstep
