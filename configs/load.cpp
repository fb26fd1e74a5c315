#include "configs/load.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "common/printable.hpp"
#include "configs/file.hpp"
#include "configs/names.hpp"
#include "configs/nesting.hpp"
#include "configs/placed_problems.hpp"
#include "configs/registry.hpp"
#include "configs/rules.hpp"
#include "configs/templates.hpp"
#include "configs/text.hpp"
#include "configs/toml_value.hpp"
#include "configs/versions.hpp"

namespace lockstep {
namespace {

/// `text` as a TOML value, or as a string if it is not one, so that --set optimizer.name=sgd needs no
/// quotes. If a text is wanted, anything unquoted is a string, so that names and paths may look like
/// numbers.
toml::table table_of_option(bool text_wanted, const std::string& text) {
  const bool quoted_text = !text.empty() && (text.front() == '"' || text.front() == '\'');
  if ((!text_wanted || quoted_text) && line_nested_too_deep(text) == 0) {
    try {
      toml::table parsed = toml::parse("value = " + text);
      if (parsed.size() == 1) return parsed;
    } catch (const toml::parse_error&) {
    }
  }
  return toml::table{{"value", text}};
}

class Loader {
 public:
  void read_content(const std::string& path, const FileContent& content);
  void read_table(const std::string& path, const toml::table& table);
  void read_overrides(std::span<const Override> overrides);
  /// Fills in the template and checks the rules between values. Throws if there were problems.
  ResolvedConfig result();

 private:
  void read_override(std::size_t option, const Override& override_);
  void apply_template();
  void apply_former_defaults();
  void check_rules();
  Place place_of(const BrokenRule& rule) const;
  void read_version(const toml::node& node, const Place& place);
  void read_template(const toml::node& node, const Place& place);
  void read_section(const std::string& path, const std::string& section, const toml::table& table);
  void read_value(const Parameter& row, const toml::node& node, const Place& place,
                  const std::string& origin);

  Config config_;
  std::map<std::string, std::string> origin_;
  std::map<std::string, Place> places_;  ///< of the values given by the file and the options
  Integer version_ = kConfigVersion;     ///< of the file; that of the table if there is no file
  const Template* template_ = nullptr;
  std::set<std::string> refused_;  ///< parameters whose value was refused; rules on them are not reported
  bool understood_ = true;         ///< false if the file could not be read; rules are not reported then
  PlacedProblems problems_;
};

Place place_in(const std::string& path, const toml::source_position& position) {
  return {0, position.line, position.column,
          path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column)};
}

void Loader::read_content(const std::string& path, const FileContent& content) {
  if (const Problem* problem = std::get_if<Problem>(&content)) {
    understood_ = false;
    problems_.add({0, 0, 0, path}, *problem);
    return;
  }
  if (const auto line = line_nested_too_deep(std::get<std::string>(content)); line > 0) {
    understood_ = false;
    problems_.add(place_in(path, {line, 1}),
                  {"nested too deep", "it has more than 1000 dots", "check the path"});
    return;
  }
  try {
    read_table(path, toml::parse(std::get<std::string>(content), path));
  } catch (const toml::parse_error& error) {
    understood_ = false;
    problems_.add(place_in(path, error.source().begin),
                  {"not valid TOML", std::string(error.description()),
                   "correct this place; values are numbers, true, false, \"text\" or [lists]"});
  }
}

void Loader::read_version(const toml::node& node, const Place& place) {
  const std::string current = std::to_string(kConfigVersion);
  const auto version = node.value_exact<Integer>();
  if (!version || *version < 1) {
    problems_.add(place,
                  {"config_version is not a version", "versions are whole numbers, at present " + current,
                   "write config_version = " + current});
  } else if (*version > kConfigVersion) {
    understood_ = false;
    problems_.add(place,
                  {"config_version = " + std::to_string(*version) + " is newer than this lockstep",
                   "it reads versions up to " + current, "use the lockstep that the file was written for"});
  } else {
    version_ = *version;
  }
}

void Loader::read_template(const toml::node& node, const Place& place) {
  const auto name = node.value_exact<std::string>();
  template_ = find_template(name.value_or(""));
  if (!name) {
    problems_.add(place, {"template is not a name", "the templates are " + joined(template_names()),
                          "write for example template = " + quoted(template_names().front())});
  } else if (!template_) {
    problems_.add(place, unknown_template(*name));
  }
}

void Loader::read_table(const std::string& path, const toml::table& table) {
  version_ = kUnnamedVersion;
  if (const auto version = table.find(kVersionKey); version != table.end()) {
    read_version(version->second, place_in(path, version->first.source().begin));
    if (!understood_) return;
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const Place place = place_in(path, key.source().begin);
    if (name == kVersionKey) continue;
    if (name == kTemplateKey) {
      read_template(node, place);
    } else if (!find_section(name)) {
      problems_.add_later(place,
                          [name, is_table = node.is_table()] { return unknown_section(name, is_table); });
    } else if (!node.is_table()) {
      problems_.add(place, {name + " is a section, not a key", "its keys are " + joined(keys_of(name)),
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
      problems_.add_later(place, [section, name] { return unknown_key(section, name); });
    }
  }
}

void Loader::read_value(const Parameter& row, const toml::node& node, const Place& place,
                        const std::string& origin) {
  const auto read = value_from_toml(row, node);
  if (const Problem* problem = std::get_if<Problem>(&read)) {
    problems_.add(place, *problem);
    refused_.insert(row.name());
    return;
  }
  row.set(config_, std::get<Value>(read));
  origin_[row.name()] = origin;
  places_[row.name()] = place;
}

void Loader::read_override(std::size_t option, const Override& override_) {
  const std::string assignment = "--set " + shortened(override_.key + "=" + override_.value);
  const Place place{option, 0, 0, override_.origin.empty() ? assignment : override_.origin};
  if (override_.key == kTemplateKey)
    return read_template(*table_of_option(true, override_.value).get("value"), place);
  const auto rows = parameters_named(override_.key);
  if (rows.size() == 1) {
    const bool text_wanted = std::holds_alternative<Text>(rows.front()->default_value);
    const toml::table table = table_of_option(text_wanted, override_.value);
    read_value(*rows.front(), *table.get("value"), place,
               override_.origin.empty() ? "--set" : override_.origin);
    return;
  }
  if (rows.size() > 1) {
    std::vector<std::string> names;
    for (const Parameter* row : rows) names.push_back(row->name());
    problems_.add(place,
                  {"ambiguous key " + override_.key, "it may be " + joined(names), "write the section too"});
    return;
  }
  if (find_section(override_.key)) {
    problems_.add(place, {override_.key + " is a section, not a key",
                          "its keys are " + joined(keys_of(override_.key)), "name one of them"});
  } else {
    problems_.add(place, {"unknown key " + shortened(override_.key), "there is no such key",
                          suggest_name(override_.key)});
  }
}

void Loader::read_overrides(std::span<const Override> overrides) {
  for (std::size_t i = 0; i < overrides.size(); ++i) read_override(i + 1, overrides[i]);
}

void Loader::apply_template() {
  if (!template_) return;
  const std::string origin = "template " + template_->name;
  Loader loader;
  loader.read_table(origin, toml::parse(template_->text));
  const ResolvedConfig below = loader.result();
  for (const Parameter& row : parameters()) {
    if (below.origin.at(row.name()) == "default" || places_.contains(row.name()) ||
        is_new_in_templates(row.name(), version_))
      continue;
    row.set(config_, row.get(below.config));
    origin_[row.name()] = origin;
  }
}

/// Applies to values that neither the file nor its template gives.
void Loader::apply_former_defaults() {
  for (const FormerDefault& former : former_defaults(version_)) {
    if (origin_.contains(former.name)) continue;
    parameters_named(former.name).front()->set(config_, former.value);
    origin_[former.name] = former_origin(former);
  }
}

/// The place of the first given value that is not the default, or else of the first given value. There is
/// one: neither the defaults nor a template break a rule by themselves.
Place Loader::place_of(const BrokenRule& rule) const {
  std::optional<Place> first;
  for (const std::string& name : rule.names) {
    const auto given = places_.find(name);
    if (given == places_.end()) continue;
    const Parameter& row = *parameters_named(name).front();
    if (row.get(config_) != row.default_value) return given->second;
    if (!first) first = given->second;
  }
  return first.value_or(Place{});
}

void Loader::check_rules() {
  if (!understood_) return;
  for (const BrokenRule& rule : broken_rules(config_)) {
    const bool concerns_refused =
        std::ranges::any_of(rule.names, [&](const std::string& name) { return refused_.contains(name); });
    if (!concerns_refused) problems_.add(place_of(rule), rule.problem);
  }
}

ResolvedConfig Loader::result() {
  apply_template();
  apply_former_defaults();
  check_rules();
  problems_.throw_if_any();
  for (const Parameter& row : parameters()) origin_.emplace(row.name(), "default");
  return {config_, origin_};
}

}  // namespace

ConfigError::ConfigError(const std::vector<std::string>& problems)
    : Error(ExitCode::config, joined(problems, "\n")),
      lines_(printable(joined(problems, "\n"), LineFeeds::kept)) {}

Override parse_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || text.find_first_not_of(" \t") == equals) {
    throw ConfigError(
        {on_one_line("--set " + shortened(text)) +
         ": not an assignment (the form is key=value) write for example --set training.epochs=3"});
  }
  const auto end = text.find_last_not_of(" \t", equals - 1), begin = text.find_first_not_of(" \t");
  return {text.substr(begin, end + 1 - begin), text.substr(equals + 1)};
}

ResolvedConfig load_config(const std::string& path, std::span<const Override> overrides) {
  return load_content(path, read_small_file(path), overrides);
}

ResolvedConfig load_content(const std::string& path, const FileContent& content,
                            std::span<const Override> overrides) {
  Loader loader;
  loader.read_content(path, content);
  loader.read_overrides(overrides);
  return loader.result();
}

ResolvedConfig load_defaults(std::span<const Override> overrides) {
  Loader loader;
  loader.read_overrides(overrides);
  return loader.result();
}

}  // namespace lockstep
