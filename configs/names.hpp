// "Did you mean": the known name nearest to a mistyped one.
#pragma once

#include <string>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// `name` with '-' as '_' and capitals as small letters.
std::string plain_name(std::string name);

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
/// alignment distance).
int edit_distance(const std::string& a, const std::string& b);

/// The nearest of `known` to `name`, with '-' read as '_' and capitals as small letters; "" if none is near:
/// more than a third of its letters would have to change.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

/// The rows whose key is `key`, else those that have it as an alias, in whatever case and hyphenation; those
/// of `section` alone if it has any.
std::vector<const Parameter*> parameters_called(const std::string& section, const std::string& key);

/// "did you mean optimizer.learning_rate?" for an unknown `key` in `section` ("" if that is not known): a key
/// of another section by that name, an alias, the nearest key of the section, the nearest of all. "" if
/// nothing is near.
std::string suggest_key(const std::string& section, const std::string& key);

/// What may be meant by an unknown `name`, which is "section.key", a key or a section: "did you mean ...?",
/// or else all that the known section, or the table, has.
std::string suggest_name(const std::string& name);

/// The names of the keys of a section.
std::vector<std::string> keys_of(const std::string& section);

/// What to say of a `key` that `section` does not have.
Problem unknown_key(const std::string& section, const std::string& key);

/// What to say of a top-level `name` of a file that is no section: a table, or a key above the first section.
Problem unknown_section(const std::string& name, bool is_table);

}  // namespace lockstep
