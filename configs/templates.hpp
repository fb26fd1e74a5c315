// Named configurations to start from; their values take precedence over the defaults, and a file's own keys
// over them.
#pragma once

#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// The top-level key of a file, or the --set option, that names a template.
inline constexpr const char* kTemplateKey = "template";

struct Template {
  std::string name;
  std::string text;  ///< TOML, as in configs/templates/NAME.toml
};

/// From the shortest run to the longest.
const std::vector<Template>& templates();

std::vector<std::string> template_names();
/// nullptr if there is no template of that name.
const Template* find_template(const std::string& name);

/// What to say if `name` is not a template.
Problem unknown_template(const std::string& name);

}  // namespace lockstep
