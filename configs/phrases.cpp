#include "configs/phrases.hpp"

#include "configs/rules.hpp"

namespace lockstep {

std::string domain_text(const Parameter& row) {
  if (!row.bounds.choices.empty()) return "one of " + bounds_text(row);
  std::string text = type_text(row);
  if (const std::string bounds = bounds_text(row); !bounds.empty()) text += ", " + bounds;
  return row.unit.empty() ? text : text + " (" + row.unit + ")";
}

std::pair<std::string, std::string> directions(const Parameter& row) {
  if (std::holds_alternative<Flag>(row.default_value)) return {"on", "off"};
  const bool has_none = std::holds_alternative<Text>(row.default_value) || row.bounds.empty_is_auto;
  return has_none ? std::pair("advice", "advice") : std::pair("raise", "lower");
}

std::string tuning_text(const Parameter& row) {
  const Tuning& tuning = row.tuning;
  if (tuning.scale == Scale::fixed) return "";
  return limit_text(tuning.low) + " .. " + limit_text(tuning.high) +
         (tuning.scale == Scale::linear ? ", linear" : ", logarithmic");
}

std::string effect_text(const Parameter& row) {
  return row.effect == Effect::changes_result ? "changes the result: a run that goes on must keep it"
                                              : "does not change the result";
}

std::vector<std::string> rule_texts(const Parameter& row) {
  std::vector<std::string> texts;
  for (const Rule* rule : rules_on(row)) texts.push_back(rule->says);
  return texts;
}

}  // namespace lockstep
