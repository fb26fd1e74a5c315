// The table as a document for people, and as a file to begin with.
#pragma once

#include <string>

#include "configs/templates.hpp"

namespace lockstep {

/// docs/parameters.md: every section, parameter, template, feature and rule, in Markdown.
std::string parameters_document();

/// A configuration with all parameters at their defaults, each with comments. The first line names `schema`,
/// a path or address, for editors.
std::string configuration_template(const std::string& schema);

/// The file of a template, with `schema` in its first line.
std::string named_template(const Template& named, const std::string& schema);

}  // namespace lockstep
