// Configurations by name: values to begin with, between the defaults and a file's own keys.
#pragma once

#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// The top-level key of a file, and the --set option, that names one.
inline constexpr const char* kTemplateKey = "template";

struct Template {
  std::string name;
  std::string text;  ///< TOML, as in configs/templates/NAME.toml
};

/// From the shortest run to the longest.
const std::vector<Template>& templates();

std::vector<std::string> template_names();
/// nullptr if there is none of that name.
const Template* find_template(const std::string& name);

/// What to say where `name` is none of them.
Problem unknown_template(const std::string& name);

}  // namespace lockstep
