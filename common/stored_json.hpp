// JSON that lies in files, where anything may have written it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lockstep {

/// The value in `text`; a discarded one where it is no JSON, or is nested more than 100 deep: what walks a
/// value does so recursively.
nlohmann::json stored_json(const std::string& text);

/// Whether the members that `pattern` has too are of the types they have there. A number in it that is whole
/// stands for whole ones, one with a fraction for any; its empty object and list for any object or list; the
/// elements of a list of `found` may be all but numbers with a fraction.
bool has_types_of(const nlohmann::json& found, const nlohmann::json& pattern);

/// The member `key` of an object as a whole number; `otherwise` where there is none.
std::int64_t whole_number(const nlohmann::json& object, const char* key, std::int64_t otherwise);

/// Makes every text in `value` printable().
void make_printable(nlohmann::json& value);

}  // namespace lockstep
