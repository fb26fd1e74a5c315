// What files of older versions of the table mean: what they meant when they were written, to the bit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// The top-level key of a file that names its version.
inline constexpr const char* kVersionKey = "config_version";

/// The version of a file that names none: it may have been written before there was a second one.
inline constexpr Integer kUnnamedVersion = 1;

/// A default that has become another one after `last_version`.
struct FormerDefault {
  Integer last_version;
  std::string name;
  Value value;
};

/// The defaults that files of `version` keep.
std::vector<FormerDefault> former_defaults(Integer version);
/// Whether the templates have come to give a value for `name` only after `version`.
bool is_new_in_templates(const std::string& name, Integer version);

/// What ResolvedConfig::origin calls a former default.
std::string former_origin(const FormerDefault& former);
/// What `row` defaults to in files of older versions, as words; empty where it never was anything else.
std::string former_default_text(const Parameter& row);

}  // namespace lockstep
