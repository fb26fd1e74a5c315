#include "configs/load.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <tuple>

#include "configs/names.hpp"
#include "configs/registry.hpp"
#include "configs/rules.hpp"
#include "configs/text.hpp"
#include "configs/toml_value.hpp"

namespace lockstep {
namespace {

constexpr std::size_t kLargestFile =
    256 * 1024;  // toml++ overflows the stack in deeper nests than this holds
constexpr std::size_t kMostProblems = 100;

/// Where a value or a problem is: in the file, or in one of the --set options, which come after the file.
struct Place {
  std::size_t option = 0;  ///< 0: the file; n: the n-th option
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;

  auto order() const { return std::tie(option, line, column); }
};

/// Put into words only when it is shown: the nearest names of a hundred thousand unknown keys take a while.
struct PlacedProblem {
  Place place;
  std::function<Problem()> problem;

  std::string text() const { return on_one_line(place.text + ": " + problem().text()); }
};

Problem unknown_key(const std::string& section, const std::string& key) {
  return {"unknown key " + section + "." + shortened(key), "[" + section + "] has no such key",
          suggest_name(section + "." + key)};
}

/// `name` is a table of the file, or a key above the first section, that is no section.
Problem unknown_section(const std::string& name, bool is_table) {
  if (is_table) {
    const std::string nearest = nearest_name(name, section_names());
    return {
        "unknown section [" + shortened(name) + "]", "there is no such section",
        nearest.empty() ? "the sections are " + joined(section_names()) : "did you mean [" + nearest + "]?"};
  }
  return {"unknown key " + shortened(name), "every key belongs to a section", suggest_name(name)};
}

class Loader {
 public:
  void read_file(const std::string& path);
  void read_overrides(std::span<const Override> overrides);
  /// Checks the rules between values. Throws if there were problems.
  ResolvedConfig result();

 private:
  void read_override(std::size_t option, const Override& override_);
  void check_rules();
  bool is_default(const std::string& name) const;
  void read_table(const std::string& path, const toml::table& table);
  void read_section(const std::string& path, const std::string& section, const toml::table& table);
  void read_value(const Parameter& row, const toml::node& node, const Place& place,
                  const std::string& origin);
  void report(const Place& place, const Problem& problem) {
    report_later(place, [=] { return problem; });
  }
  void report_later(const Place& place, std::function<Problem()> problem) {
    problems_.push_back({place, std::move(problem)});
  }

  Config config_;
  std::map<std::string, std::string> origin_;
  std::map<std::string, Place> places_;  ///< of the values that are not defaults
  std::set<std::string> refused_;  ///< parameters whose given value was refused: rules on them would mislead
  std::vector<PlacedProblem> problems_;
};

Place place_in(const std::string& path, const toml::source_position& position) {
  return {0, position.line, position.column,
          path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column)};
}

void Loader::read_file(const std::string& path) {
  const Place whole_file{0, 0, 0, path};
  std::string content(kLargestFile + 1, '\0');
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.is_open() || file.bad()) {
    report(whole_file,
           {"cannot read the configuration", std::strerror(errno), "check the path and its permissions"});
    return;
  }
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > kLargestFile) {
    report(whole_file, {"too large for a configuration", "more than 256 KiB", "check the path"});
    return;
  }
  try {
    read_table(path, toml::parse(content, path));
  } catch (const toml::parse_error& error) {
    report(place_in(path, error.source().begin),
           {"not valid TOML", std::string(error.description()),
            "correct this place; values are numbers, true, false, \"text\" or [lists]"});
  }
}

void Loader::read_table(const std::string& path, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const Place place = place_in(path, key.source().begin);
    if (!find_section(name)) {
      report_later(place, [name, is_table = node.is_table()] { return unknown_section(name, is_table); });
    } else if (!node.is_table()) {
      report(place, {name + " is a section, not a key", "its keys are " + joined(keys_of(name)),
                     "write [" + name + "] on a line of its own and its keys below"});
    } else {
      read_section(path, name, *node.as_table());
    }
  }
}

void Loader::read_section(const std::string& path, const std::string& section, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const Place place = place_in(path, key.source().begin);
    const std::string name(key.str());
    if (const Parameter* row = find_parameter(section, name)) {
      read_value(*row, node, place, place.text);
    } else {
      report_later(place, [section, name] { return unknown_key(section, name); });
    }
  }
}

void Loader::read_value(const Parameter& row, const toml::node& node, const Place& place,
                        const std::string& origin) {
  const auto read = value_from_toml(row, node);
  if (const Problem* problem = std::get_if<Problem>(&read)) {
    report(place, *problem);
    refused_.insert(row.name());
    return;
  }
  row.set(config_, std::get<Value>(read));
  origin_[row.name()] = origin;
  places_[row.name()] = place;
}

/// `text` as a TOML value, or as a string if it is none: --set optimizer.name=sgd needs no quotes. A text
/// parameter takes what is not quoted as it stands, so that names and paths may look like numbers.
toml::table table_of_option(const Parameter& row, const std::string& text) {
  const bool quoted_text = !text.empty() && (text.front() == '"' || text.front() == '\'');
  if (!std::holds_alternative<Text>(row.default_value) || quoted_text) {
    try {
      toml::table parsed = toml::parse("value = " + text);
      if (parsed.size() == 1) return parsed;
    } catch (const toml::parse_error&) {
    }
  }
  return toml::table{{"value", text}};
}

void Loader::read_override(std::size_t option, const Override& override_) {
  const Place place{option, 0, 0, "--set " + shortened(override_.key + "=" + override_.value)};
  const auto rows = parameters_named(override_.key);
  if (rows.size() == 1) {
    const toml::table table = table_of_option(*rows.front(), override_.value);
    read_value(*rows.front(), *table.get("value"), place, "--set");
    return;
  }
  if (rows.size() > 1) {
    std::vector<std::string> names;
    for (const Parameter* row : rows) names.push_back(row->name());
    report(place, {"ambiguous key " + override_.key, "it may be " + joined(names), "write the section too"});
    return;
  }
  if (find_section(override_.key)) {
    report(place, {override_.key + " is a section, not a key",
                   "its keys are " + joined(keys_of(override_.key)), "name one of them"});
  } else {
    report(place,
           {"unknown key " + shortened(override_.key), "there is no such key", suggest_name(override_.key)});
  }
}

void Loader::read_overrides(std::span<const Override> overrides) {
  for (std::size_t i = 0; i < overrides.size(); ++i) read_override(i + 1, overrides[i]);
}

bool Loader::is_default(const std::string& name) const {
  const Parameter& row = *parameters_named(name).front();
  return row.get(config_) == row.default_value;
}

void Loader::check_rules() {
  for (const BrokenRule& rule : broken_rules(config_)) {
    const auto& names = rule.names;
    const bool concerns_refused = std::any_of(
        names.begin(), names.end(), [&](const std::string& name) { return refused_.count(name) > 0; });
    const auto given = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return places_.count(name) > 0 && !is_default(name);
    });
    if (!concerns_refused) report(given == names.end() ? Place{} : places_.at(*given), rule.problem);
  }
}

ResolvedConfig Loader::result() {
  check_rules();
  if (!problems_.empty()) {
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const auto& a, const auto& b) { return a.place.order() < b.place.order(); });
    std::vector<std::string> lines;
    const std::size_t shown = std::min(problems_.size(), kMostProblems);
    for (std::size_t i = 0; i < shown; ++i) lines.push_back(problems_[i].text());
    if (shown < problems_.size())
      lines.push_back("and " + std::to_string(problems_.size() - shown) + " more problems");
    throw ConfigError(lines);
  }
  for (const Parameter& row : parameters()) origin_.emplace(row.name(), "default");
  return {config_, origin_};
}

}  // namespace

ConfigError::ConfigError(const std::vector<std::string>& problems)
    : Error(ExitCode::config, joined(problems, "\n")) {}

Override parse_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError(
        {on_one_line("--set " + shortened(text)) +
         ": not an assignment (the form is key=value) write for example --set training.epochs=3"});
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

ResolvedConfig load_config(const std::string& path, std::span<const Override> overrides) {
  Loader loader;
  loader.read_file(path);
  loader.read_overrides(overrides);
  return loader.result();
}

ResolvedConfig load_defaults(std::span<const Override> overrides) {
  Loader loader;
  loader.read_overrides(overrides);
  return loader.result();
}

}  // namespace lockstep
