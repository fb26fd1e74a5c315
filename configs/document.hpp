// The table as a document for people, and as a file to begin with.
#pragma once

#include <string>

namespace lockstep {

/// docs/parameters.md: every section, parameter and rule, in Markdown.
std::string parameters_document();

/// A configuration with all parameters at their defaults, each with comments. The first line names `schema`,
/// a path or address, for editors.
std::string configuration_template(const std::string& schema);

}  // namespace lockstep
