#include "configs/schema.hpp"

#include "configs/json_value.hpp"
#include "configs/phrases.hpp"
#include "configs/templates.hpp"
#include "configs/versions.hpp"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

/// A whole number as an integer, so that limits read 1 and not 1.0.
Json number(double value) { return Json::parse(limit_text(value)); }

/// The JSON Schema of a type, narrowed by the bounds of the row.
struct TypeSchema {
  const Bounds& bounds;

  Json limited(const char* type) const {
    return {{"type", type},
            {bounds.low_excluded ? "exclusiveMinimum" : "minimum", number(bounds.low)},
            {"maximum", number(bounds.high)}};
  }
  Json operator()(Integer) const { return limited("integer"); }
  Json operator()(Real) const { return limited("number"); }
  Json operator()(Flag) const { return {{"type", "boolean"}}; }
  Json operator()(const Text&) const {
    if (!bounds.choices.empty()) return {{"type", "string"}, {"enum", bounds.choices}};
    if (const std::string& word = bounds.word_or_number; !word.empty()) {
      // A digit other than 0 before or after the point, and an optional exponent.
      const std::string digits = "([0-9]*[1-9][0-9]*\\.?[0-9]*|[0-9]*\\.[0-9]*[1-9][0-9]*)([eE][+-]?[0-9]+)?";
      return {{"anyOf", Json::array({{{"type", "number"}, {"exclusiveMinimum", 0}},
                                     {{"type", "string"}, {"pattern", "^(" + word + "|" + digits + ")$"}}})}};
    }
    const char* const pattern =
        bounds.plain_name ? "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" : "^[^\\u0000-\\u001f\\u007f]*$";
    return {{"type", "string"}, {"pattern", pattern}};
  }
  template <class T>
  Json operator()(const std::optional<T>&) const {
    return or_auto((*this)(T{}));
  }
  template <class T>
  Json operator()(const std::vector<T>&) const {
    Json list = {{"type", "array"}, {"items", (*this)(T{})}};
    if (!bounds.empty_is_auto) return list;
    list["minItems"] = 1;
    return or_auto(list);
  }

  static Json or_auto(const Json& schema) {
    return {{"anyOf", Json::array({schema, {{"type", "string"}, {"enum", {"auto"}}}})}};
  }
};

std::string description(const Parameter& row) {
  std::string text = row.what;
  if (!row.unit.empty()) text += "\n\nUnit: " + row.unit + ".";
  text += "\n\n" + row.raise + " " + row.lower;
  for (const std::string& rule : rule_texts(row)) text += "\n\nRule: " + rule;
  return text;
}

Json schema_of(const Parameter& row) {
  Json schema = std::visit(TypeSchema{row.bounds}, row.default_value);
  schema["default"] = json_value(row.default_value, row.bounds.empty_is_auto);
  schema["description"] = description(row);
  return schema;
}

Json schema_of(const Section& section) {
  Json schema = {{"type", "object"}, {"description", section.what}, {"additionalProperties", false}};
  for (const Parameter* row : parameters_of(section.name)) schema["properties"][row->key] = schema_of(*row);
  return schema;
}

}  // namespace

std::string configuration_schema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Configuration of a lockstep run"},
                 {"type", "object"},
                 {"additionalProperties", false}};
  schema["properties"]["config_version"] = {
      {"type", "integer"},
      {"minimum", 1},
      {"maximum", kConfigVersion},
      {"default", kUnnamedVersion},
      {"description",
       "The version of the table of parameters that the file is written for; defaults of older versions "
       "stay what they were."}};
  schema["properties"][kTemplateKey] = {{"type", "string"},
                                        {"enum", template_names()},
                                        {"description",
                                         "The template whose values stand between the defaults and those of "
                                         "the file: what the file says itself, "
                                         "key by key, comes first."}};
  for (const Section& section : sections()) schema["properties"][section.name] = schema_of(section);
  return schema.dump(2) + "\n";
}

}  // namespace lockstep
