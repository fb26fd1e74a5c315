// The table of parameters as a document, and as a configuration to start from.
#pragma once

#include <string>

#include "configs/templates.hpp"

namespace lockstep {

/// docs/parameters.md: every section, parameter, template, feature and rule, in Markdown.
std::string parameters_document();

/// A configuration with all parameters at their defaults, each with comments. The first line names `schema`,
/// a path or URL, for editors.
std::string configuration_template(const std::string& schema);

/// The file of a template, with `schema` in its first line.
std::string named_template(const Template& named, const std::string& schema);

}  // namespace lockstep
