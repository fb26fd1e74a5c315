// The rows of parameters.def as data, from which parsing, checks, printing and advice are derived.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "configs/value.hpp"

namespace lockstep {

/// The version of the table, which a file names by the optional top-level key config_version. It is raised
/// when a key is renamed or its meaning or default changes, not when keys are added.
inline constexpr Integer kConfigVersion = 2;

/// The values that are allowed. For lists it applies to each element.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false;
  std::vector<std::string> choices = {};  ///< the words a Text may be; empty: any
  bool plain_name = false;          ///< a Text that can be a folder name: letters, digits, '.', '_', '-'
  bool empty_is_auto = false;       ///< an empty list stands for the word "auto"
  std::string word_or_number = {};  ///< a Text that is this word or a number above 0
};

enum class Scale { fixed, linear, logarithmic };

/// The range of a hyper-parameter search; `low` and `high` are meaningless if the scale is fixed.
struct Tuning {
  Scale scale = Scale::fixed;
  double low = 0;
  double high = 0;
};

enum class Effect { same_result, changes_result };

/// One row of the table.
struct Parameter {
  std::string section;
  std::string key;
  Value default_value;
  Bounds bounds;
  std::string unit;
  Tuning tuning;
  Effect effect;
  std::vector<std::string> aliases;
  std::string since;
  std::string what;
  std::string raise;
  std::string lower;
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);  ///< the value must have the type of default_value

  /// "training.batch_size"
  std::string name() const { return section + "." + key; }
};

struct Section {
  std::string name;
  std::string what;
};

/// All rows, in the order of the table.
const std::vector<Parameter>& parameters();
const std::vector<Section>& sections();

const Section* find_section(const std::string& name);
std::vector<std::string> section_names();
/// The rows of a section, in the order of the table; none if there is no such section.
std::vector<const Parameter*> parameters_of(const std::string& section);
/// nullptr if there is no such row.
const Parameter* find_parameter(const std::string& section, const std::string& key);
/// The rows that `name` can mean: at most one for "section.key"; for a bare key, the rows of all sections
/// that have it.
std::vector<const Parameter*> parameters_named(const std::string& name);

/// "1 .. 1048576", "above 0 up to 100", "sgd, adamw", "up to 100 letters, ..."; "" if anything goes.
std::string bounds_text(const Parameter& row);
/// What the row takes, for messages: "a whole number", "a list of numbers or \"auto\"" ...
std::string type_text(const Parameter& row);

/// The number of a word_or_number; nullopt if it is the word.
std::optional<Real> number_in(const Text& text);

/// What is wrong with a value, as the three parts of a message; the problem begins with the row's name.
struct Problem {
  std::string problem;
  std::string why;
  std::string suggestion;
  /// "problem (why) suggestion"
  std::string text() const;
};

/// Checks finiteness, range, choices and characters of a value that already has the row's type.
std::optional<Problem> check_bounds(const Parameter& row, const Value& value);

}  // namespace lockstep
