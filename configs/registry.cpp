#include "configs/registry.hpp"

#include <type_traits>

namespace lockstep {
namespace {

// The words that the columns of parameters.def are written in.
constexpr Effect same_result = Effect::same_result;
constexpr Effect changes_result = Effect::changes_result;

Bounds between(double low, double high) { return {.low = low, .high = high}; }
Bounds above(double low, double high) { return {.low = low, .high = high, .low_excluded = true}; }
Bounds auto_or(Bounds bounds) {
  bounds.empty_is_auto = true;
  return bounds;
}
Bounds number_or(const char* word) { return {.word_or_number = word}; }
template <class... Words>
Bounds one_of(Words... words) {
  return {.choices = {words...}};
}
template <class... Words>
std::vector<std::string> aliases(Words... words) {
  return {words...};
}
Tuning linear(double low, double high) { return {Scale::linear, low, high}; }
Tuning logarithmic(double low, double high) { return {Scale::logarithmic, low, high}; }

std::vector<Parameter> rows_of_table() {
  const Bounds any;
  const Bounds plain_name{.plain_name = true};
  const Tuning fixed;
  const Config defaults;
  std::vector<Parameter> rows;
#define BEGIN_SECTION(Struct, section, what)
#define END_SECTION(Struct, section)
#define PARAMETER(section, Type, key, default_value, bounds, unit, tuning, effect, aliases, since, what,    \
                  raise, lower)                                                                             \
  rows.push_back({#section, #key, Value(std::in_place_type<Type>, defaults.section.key), bounds, unit,      \
                  tuning, effect, aliases, since, what, raise, lower,                                       \
                  [](const Config& config) { return Value(std::in_place_type<Type>, config.section.key); }, \
                  [](Config& config, const Value& value) { config.section.key = std::get<Type>(value); }});
#include "configs/parameters.def"
#undef BEGIN_SECTION
#undef END_SECTION
#undef PARAMETER
  return rows;
}

std::vector<Section> sections_of_table() {
  return {
#define BEGIN_SECTION(Struct, section, what) Section{#section, what},
#define END_SECTION(Struct, section)
#define PARAMETER(...)
#include "configs/parameters.def"
#undef BEGIN_SECTION
#undef END_SECTION
#undef PARAMETER
  };
}

}  // namespace

const std::vector<Parameter>& parameters() {
  static const std::vector<Parameter> rows = rows_of_table();
  return rows;
}

const std::vector<Section>& sections() {
  static const std::vector<Section> list = sections_of_table();
  return list;
}

const Section* find_section(const std::string& name) {
  for (const Section& section : sections()) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}

std::vector<const Parameter*> parameters_of(const std::string& section) {
  std::vector<const Parameter*> rows;
  for (const Parameter& row : parameters()) {
    if (row.section == section) rows.push_back(&row);
  }
  return rows;
}

const Parameter* find_parameter(const std::string& section, const std::string& key) {
  for (const Parameter& row : parameters()) {
    if (row.section == section && row.key == key) return &row;
  }
  return nullptr;
}

std::vector<const Parameter*> parameters_named(const std::string& name) {
  std::vector<const Parameter*> found;
  for (const Parameter& row : parameters()) {
    if (row.name() == name || row.key == name) found.push_back(&row);
  }
  return found;
}

}  // namespace lockstep
