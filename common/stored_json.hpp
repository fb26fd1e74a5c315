// JSON from files, which may contain anything.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lockstep {

/// The value in `text`; a discarded one if it is not JSON or is nested more than 100 levels deep, since
/// values are walked recursively.
nlohmann::json stored_json(const std::string& text);

/// Whether each member that `pattern` also has is of the same type there. In `pattern`, an integer admits
/// integers, a floating-point number any number, and an empty object or list any object or list; lists must
/// not contain floating-point numbers.
bool has_types_of(const nlohmann::json& found, const nlohmann::json& pattern);

/// The member `key` of an object as an integer; `otherwise` if there is none.
std::int64_t whole_number(const nlohmann::json& object, const char* key, std::int64_t otherwise);

/// Makes every text in `value` printable().
void make_printable(nlohmann::json& value);

}  // namespace lockstep
