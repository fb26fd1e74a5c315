#include "configs/explain.hpp"

#include <algorithm>
#include <sstream>

#include "configs/json_value.hpp"
#include "configs/rules.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t kLabelWidth = 14;

std::size_t width_of(int columns) { return static_cast<std::size_t>(std::max(columns, 40)); }

/// "label  text text text", the text broken between words at `columns` and indented below itself.
std::string paragraph(const std::string& label, const std::string& text, int columns) {
  std::string line = "  " + label, result;
  line.resize(std::max(kLabelWidth, line.size() + 1), ' ');
  std::istringstream words(text);
  bool begins = true;
  for (std::string word; words >> word; begins = false) {
    if (!begins && line.size() + 1 + word.size() > width_of(columns)) {
      result += line + "\n";
      line.assign(kLabelWidth, ' ');
      begins = true;
    }
    line += (begins ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string value_text(const Parameter& row, const ResolvedConfig& resolved) {
  return toml_text(row.get(resolved.config), row.bounds.empty_is_auto);
}

std::string tuning_text(const Tuning& tuning) {
  if (tuning.scale == Scale::fixed) return "";
  return limit_text(tuning.low) + " .. " + limit_text(tuning.high) +
         (tuning.scale == Scale::linear ? ", linear" : ", logarithmic");
}

const char* effect_text(Effect effect) {
  return effect == Effect::changes_result ? "changes the result: a run that goes on must keep it"
                                          : "does not change the result";
}

std::vector<std::string> rule_texts(const Parameter& row) {
  std::vector<std::string> texts;
  for (const Rule* rule : rules_on(row)) texts.push_back(rule->says);
  return texts;
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
  const auto [up, down] = directions(row);
  add(up, row.raise);
  add(down, row.lower);
  add("search", tuning_text(row.tuning));
  add("effect", effect_text(row.effect));
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
                                 {"search", tuning_text(row.tuning)},
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
