// "Did you mean": the known name nearest to a mistyped one.
#pragma once

#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// `name` in lower case, with '_' for '-'.
std::string plain_name(std::string name);

/// The number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
/// string alignment distance).
int edit_distance(const std::string& a, const std::string& b);

/// The one of `known` nearest to plain_name(name); "" if none is near, that is, if more than a third of its
/// letters would have to change.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

/// The rows whose key is `key`, or else those that have it as an alias, compared by plain_name(); only those
/// of `section` if it has any.
std::vector<const Parameter*> parameters_called(const std::string& section, const std::string& key);

/// "did you mean optimizer.learning_rate?" for an unknown `key` in `section` ("" if unknown). Considers keys
/// of that name in other sections, aliases, the nearest key of the section and the nearest of all, in this
/// order; "" if nothing is near.
std::string suggest_key(const std::string& section, const std::string& key);

/// A suggestion for an unknown `name`, which is "section.key", a key or a section: "did you mean ...?", or
/// else a list of all keys of the section or of all sections.
std::string suggest_name(const std::string& name);

/// The names of the keys of a section.
std::vector<std::string> keys_of(const std::string& section);

/// What to say of a `key` that `section` does not have.
Problem unknown_key(const std::string& section, const std::string& key);

/// What to say of a top-level `name` of a file that is no section: a table, or a key above the first section.
Problem unknown_section(const std::string& name, bool is_table);

}  // namespace lockstep
