#include "configs/explain.hpp"

#include <algorithm>

#include "configs/json_value.hpp"
#include "configs/phrases.hpp"
#include "configs/text.hpp"
#include "configs/versions.hpp"

namespace lockstep {
namespace {

constexpr std::size_t kLabelWidth = 14;

std::size_t width_of(int columns) { return static_cast<std::size_t>(std::max(columns, 40)); }

/// "label  text text text", further lines indented below the text.
std::string paragraph(const std::string& label, const std::string& text, int columns) {
  std::string first = "  " + label;
  first.resize(std::max(kLabelWidth, first.size() + 1), ' ');
  return wrapped(text, first, std::string(kLabelWidth, ' '), width_of(columns));
}

std::string value_text(const Parameter& row, const ResolvedConfig& resolved) {
  return toml_text(row.get(resolved.config), row.bounds.empty_is_auto);
}

}  // namespace

std::string explanation(const Parameter& row, const ResolvedConfig& resolved, int columns) {
  std::string text = row.name() + " = " + value_text(row, resolved) + "  (" +
                     on_one_line(resolved.origin.at(row.name())) + ")\n";
  const auto add = [&](const std::string& label, const std::string& words) {
    if (!words.empty()) text += paragraph(label, words, columns);
  };
  add("", row.what);
  add("type", type_text(row));
  add("range", bounds_text(row));
  add("unit", row.unit);
  add("default", toml_text(row.default_value, row.bounds.empty_is_auto));
  add("formerly", former_default_text(row));
  const auto [up, down] = directions(row);
  add(up, row.raise);
  add(down, row.lower);
  add("search", tuning_text(row));
  add("effect", effect_text(row));
  for (const std::string& rule : rule_texts(row)) add("rule", rule);
  add("elsewhere", joined(row.aliases));
  add("since", row.since);
  return text;
}

std::string explanation_json(const Parameter& row, const ResolvedConfig& resolved) {
  const bool empty_is_auto = row.bounds.empty_is_auto;
  nlohmann::ordered_json line = {{"name", row.name()},
                                 {"value", json_value(row.get(resolved.config), empty_is_auto)},
                                 {"origin", resolved.origin.at(row.name())},
                                 {"what", row.what},
                                 {"type", type_text(row)},
                                 {"range", bounds_text(row)},
                                 {"unit", row.unit},
                                 {"default", json_value(row.default_value, empty_is_auto)},
                                 {"raise", row.raise},
                                 {"lower", row.lower},
                                 {"search", tuning_text(row)},
                                 {"changes_result", row.effect == Effect::changes_result},
                                 {"rules", rule_texts(row)},
                                 {"aliases", row.aliases},
                                 {"since", row.since}};
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string explanation(const Section& section, const ResolvedConfig& resolved, int columns) {
  std::size_t key_width = 0, value_width = 0;
  for (const Parameter* row : parameters_of(section.name)) {
    key_width = std::max(key_width, row->key.size());
    value_width = std::max(value_width, shortened(value_text(*row, resolved)).size());
  }
  std::string text = "[" + section.name + "]  " + section.what + "\n";
  for (const Parameter* row : parameters_of(section.name)) {
    std::string key = row->key, value = shortened(value_text(*row, resolved));
    key.resize(key_width, ' ');
    value.resize(value_width, ' ');
    text += shortened("  " + key + " = " + value + "  " + row->what, width_of(columns)) + "\n";
  }
  return text;
}

}  // namespace lockstep
