#include "common/stored_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/printable.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr int deepest = 100;

/// The nesting depth, by brackets outside of strings. Meaningless if `text` is not JSON.
bool is_nested_too_deep(const std::string& text) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_text = !in_text;
    if (in_text) {
      if (c == '\\') ++i;
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > deepest) return true;
  }
  return false;
}

bool is_whole(const json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
}

bool has_type_of(const json& found, const json& pattern) {
  if (pattern.is_number_integer()) return is_whole(found);
  if (pattern.is_number()) return found.is_number();
  if (pattern.is_object()) return found.is_object() && has_types_of(found, pattern);
  if (pattern.is_array())
    return found.is_array() &&
           std::ranges::none_of(found, [](const json& element) { return element.is_number_float(); });
  return found.type() == pattern.type();
}

}  // namespace

json stored_json(const std::string& text) {
  if (is_nested_too_deep(text)) return json(json::value_t::discarded);
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

bool has_types_of(const json& found, const json& pattern) {
  if (!found.is_object()) return false;
  for (const auto& [key, value] : pattern.items()) {
    const auto member = found.find(key);
    if (member != found.end() && !has_type_of(*member, value)) return false;
  }
  return true;
}

std::int64_t whole_number(const json& object, const char* key, std::int64_t otherwise) {
  if (!object.is_object()) return otherwise;
  const auto member = object.find(key);
  return member != object.end() && is_whole(*member) ? member->get<std::int64_t>() : otherwise;
}

void make_printable(json& value) {
  if (value.is_string()) {
    value = printable(value.get_ref<const std::string&>());
  } else if (value.is_structured()) {
    for (auto& member : value) make_printable(member);
  }
}

}  // namespace lockstep
