// Valid values other than the default, for any row of the table of parameters: the round-trip tests use them.
#pragma once

#include <algorithm>
#include <vector>

#include "configs/registry.hpp"
#include "configs/rules.hpp"

namespace lockstep {

/// Values of the row's type, not all of them within its bounds.
struct Candidates {
  const Bounds& bounds;

  std::vector<Value> operator()(Integer value) const {
    return {value + 1, value - 1, Integer(bounds.high), Integer(bounds.low)};
  }
  std::vector<Value> operator()(Real value) const {
    const double middle = bounds.low + (bounds.high - bounds.low) / 3;
    return {value * 1.1, value / 1.1, middle, bounds.high, bounds.low};
  }
  std::vector<Value> operator()(Flag value) const { return {!value}; }
  std::vector<Value> operator()(const Text&) const {
    std::vector<Value> values(bounds.choices.begin(), bounds.choices.end());
    if (values.empty())
      values = {Text("C:\\a \"b\" 'c' # \xc3\xbc \xe5\xad\x97"), Text("other.run-1_x"), Text("1024")};
    return values;
  }
  std::vector<Value> operator()(const Integers&) const {
    return {Integers{Integer(bounds.low), Integer(bounds.high), Integer(bounds.low)}};
  }
  std::vector<Value> operator()(const Reals&) const {
    return {Reals{bounds.low + (bounds.high - bounds.low) / 3, bounds.high, bounds.high / 7}};
  }
  std::vector<Value> operator()(const AutoInteger&) const {
    return {AutoInteger(Integer(bounds.low)), AutoInteger(Integer(bounds.high))};
  }
  std::vector<Value> operator()(const AutoReal&) const {
    return {AutoReal(bounds.low + (bounds.high - bounds.low) / 3), AutoReal(bounds.high)};
  }
};

/// Different values within the bounds of the row, none of them its default; empty only for a choice with a
/// single word.
inline std::vector<Value> changed_values(const Parameter& row) {
  std::vector<Value> values;
  for (const Value& value : std::visit(Candidates{row.bounds}, row.default_value)) {
    const bool is_new = value != row.default_value && std::ranges::find(values, value) == values.end();
    if (is_new && !check_bounds(row, value)) values.push_back(value);
  }
  return values;
}

/// Changes `row` in `config`, and other parameters as far as needed so that no rule is broken. Returns
/// whether that was possible.
/// Returns whether it could.
inline bool change(Config& config, const Parameter& row, int depth = 3) {
  for (const Value& value : changed_values(row)) {
    Config changed = config;
    row.set(changed, value);
    const std::vector<BrokenRule> broken = broken_rules(changed);
    if (broken.empty()) return config = changed, true;
    if (depth == 0) continue;
    for (const std::string& name : broken.front().names) {
      if (name != row.name() && change(changed, *parameters_named(name).front(), depth - 1))
        return config = changed, true;
    }
  }
  return false;
}

}  // namespace lockstep
