#include "configs/import.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "configs/file.hpp"
#include "configs/load.hpp"
#include "configs/names.hpp"
#include "configs/other_programs.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

/// Groups that are not sections of the table; keys in them may belong to any section. Names of optimisers
/// are groups, too.
const std::set<std::string> kGroups = {"hyperparameters", "optimizer_advanced", "learning_rate_advanced",
                                       "adam"};

constexpr int kDeepest = 32;  // objects are walked recursively

bool is_group(const std::string& name) {
  const std::vector<std::string>& optimizers = find_parameter("optimizer", "name")->bounds.choices;
  return find_section(name) || kGroups.contains(name) || std::ranges::count(optimizers, name) > 0;
}

/// In lower case without '_' and '-', so that "LeakyReLU" equals "leaky_relu".
std::string letters_of(const std::string& word) {
  std::string letters = plain_name(word);
  std::erase(letters, '_');
  return letters;
}

/// Values by which other programs switch a feature off.
bool is_off(const json& value) {
  return value.is_null() || value == json(false) || value == json(0) || value == json("");
}

/// A Text that is neither a choice nor a name is the path of a file or folder.
bool is_path(const Parameter& row) {
  return std::holds_alternative<Text>(row.default_value) && row.bounds.choices.empty() &&
         !row.bounds.plain_name && row.bounds.word_or_number.empty();
}

/// The choice that `word` is another spelling of, such as "AdamW", "StepLR" or "CosineAnnealingLR" (classes
/// of PyTorch) or "float16"; `word` itself if there is none.
std::string choice_spelled(const std::string& word, const std::vector<std::string>& choices) {
  const std::string name = letters_of(word);
  for (const std::string& choice : choices) {
    for (const char* ending : {"", "lr", "annealinglr", "annealing", "loss"}) {
      if (name == letters_of(choice) + ending) return choice;
    }
  }
  for (auto [other, end] = other_words().equal_range(name); other != end; ++other) {
    if (std::ranges::count(choices, other->second) > 0) return other->second;
  }
  return word;
}

/// 20.0 becomes 20: JSON has only one type of number.
json whole_if_integral(const json& value) {
  const double number = value.is_number_float() ? value.get<double>() : 0.5;
  const bool exact = number == std::floor(number) && std::fabs(number) < 9007199254740992.0;
  return exact ? json(static_cast<Integer>(number)) : value;
}

/// A string, or true or false, for a parameter that is a choice of words.
std::string word_text(const Parameter& row, const json& value) {
  const std::string word = value.is_string() ? value.get<std::string>() : value.dump();
  const std::string choice = choice_spelled(word, row.bounds.choices);
  return value.is_string() || choice != word ? quoted(choice) : word;
}

/// A value in the form that --set takes.
std::string set_text(const Parameter& row, const json& value) {
  if (value.is_string() || value.is_boolean()) return word_text(row, value);
  if (row.bounds.empty_is_auto && value.is_array() && value.empty()) return quoted("auto");
  const bool whole = std::holds_alternative<Integer>(row.default_value) ||
                     std::holds_alternative<AutoInteger>(row.default_value);
  return (whole ? whole_if_integral(value) : value).dump();
}

/// The value that the JSON file gives for one parameter.
struct Given {
  std::string path;  ///< "hyperparameters.optimizer_advanced.adam.beta1"
  json value;
};

class Importer {
 public:
  Importer(const std::string& file, bool skip_unknown) : file_(file), skip_unknown_(skip_unknown) {}
  Import result();

 private:
  json parse(const std::string& content);
  void read_group(const std::string& path, const std::string& section, const json& group);
  void read_key(const std::string& path, const std::string& section, const std::string& key,
                const json& value);
  void unknown_group(const std::string& path, const std::string& group, const json& value);
  void unknown_key(const std::string& path, const json& value, const std::string& why,
                   const std::string& suggestion);
  ResolvedConfig load();
  std::string toml(const ResolvedConfig& resolved) const;

  void note(const std::string& text) { notes_.push_back(on_one_line(text)); }
  void report(const std::string& path, const Problem& problem) {
    problems_.push_back(on_one_line(file_ + ": " + shortened(path, 200) + ": " + problem.text()));
  }

  std::string file_;
  bool skip_unknown_;
  std::map<std::string, Given> given_;  ///< by the name of the parameter
  std::vector<std::string> notes_, skipped_, problems_;
};

/// Throws ConfigError; duplicate keys are only reported.
json Importer::parse(const std::string& content) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kDeepest)
      throw ConfigError({on_one_line(file_) + ": nested more than 32 deep (no group is) check the path"});
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      report(parsed.get<std::string>(), {"given twice", "an object of JSON has each key once", "remove one"});
    return true;
  };
  try {
    const json root = json::parse(content, watch);
    if (root.is_object()) return root;
  } catch (const json::exception& error) {
    const std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line ..."
    throw ConfigError({on_one_line(file_ + ": not valid JSON (" + what.substr(what.find(']') + 2) +
                                   ") correct this place, or turn YAML into JSON first: python3 -c \"import "
                                   "json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)\" < "
                                   "args.yaml > args.json")});
  }
  throw ConfigError({on_one_line(file_) + ": not an object of JSON (the form is {\"learning_rate\": 0.001}) "
                                          "put the keys in braces"});
}

void Importer::read_group(const std::string& path, const std::string& section, const json& group) {
  for (const auto& [key, value] : group.items()) {
    const std::string name = path.empty() ? key : path + "." + key;
    if (!value.is_object()) {
      read_key(name, section, key, value);
    } else if (!is_group(key)) {
      unknown_group(name, key, value);
    } else {
      read_group(name, find_section(key) ? key : section, value);
    }
  }
}

void Importer::read_key(const std::string& path, const std::string& section, const std::string& key,
                        const json& value) {
  auto rows = parameters_called(section, key);
  const auto& others = rows_of_other_keys();
  if (const auto other = others.find(plain_name(key)); rows.empty() && other != others.end())
    rows = parameters_named(other->second);
  if (!section.empty()) std::erase_if(rows, [&](const Parameter* row) { return row->section != section; });
  const auto advice = advice_on_other_keys().find(plain_name(key));
  if (rows.empty() && advice != advice_on_other_keys().end()) {
    if (is_off(value)) return note(path + " = " + value.dump() + " is off here too");
    return unknown_key(path, value, "no row of the table means just this", advice->second);
  }
  if (rows.empty()) {
    const std::string where =
        section.empty() ? "the table has no such key" : "[" + section + "] has no such key";
    unknown_key(path, value, where, suggest_key(section, key));
  } else if (rows.size() > 1) {
    report(path, {"is the key of several sections", "it may be of any",
                  "put it into an object named like its section"});
  } else if (!value.is_null()) {
    const Parameter& row = *rows.front();
    if (is_path(row) && !value.is_string()) {
      if (value == json(false)) return note(path + " = false is the default of " + row.name() + " here");
      return unknown_key(path, value, row.name() + " is a path here", "give the path of the file as a text");
    }
    const auto [earlier, is_first] = given_.emplace(row.name(), Given{path, value});
    if (!is_first && earlier->second.value != value)
      report(path, {"differs from " + earlier->second.path, "both are " + row.name() + " here",
                    "keep one of them"});
    if (is_first && key != row.key) note(path + " is " + row.name() + " here");
  }
}

/// Reports each key of an unknown group.
void Importer::unknown_group(const std::string& path, const std::string& group, const json& value) {
  if (!value.is_object() || value.empty()) {
    const std::string nearest = nearest_name(group, section_names());
    unknown_key(path, value, "there is no section or group " + shortened(group),
                nearest.empty() ? "" : "did you mean " + nearest + "?");
    return;
  }
  for (const auto& [key, inner] : value.items()) unknown_group(path + "." + key, group, inner);
}

void Importer::unknown_key(const std::string& path, const json& value, const std::string& why,
                           const std::string& suggestion) {
  if (!skip_unknown_) {
    report(path,
           {"has no counterpart", why, suggestion.empty() ? "leave it out with --skip-unknown" : suggestion});
    return;
  }
  skipped_.push_back(on_one_line(path + " = " + shortened(value.dump())));
  note(path + " has no counterpart and was skipped");
}

/// The configuration from the given values; problems with it are added to the others.
ResolvedConfig Importer::load() {
  std::vector<Override> overrides;
  for (const auto& [name, given] : given_) {
    const Parameter& row = *parameters_named(name).front();
    const std::string text = set_text(row, given.value);
    const bool is_word = given.value.is_string() || given.value.is_boolean();
    const std::string same =
        given.value.is_string() ? quoted(given.value.get<std::string>()) : given.value.dump();
    if (is_word && text != same)
      note(given.path + " = " + given.value.dump() + " is " + name + " = " + text + " here");
    overrides.push_back({name, text, file_ + ": " + given.path});
  }
  try {
    return load_defaults(overrides);
  } catch (const ConfigError& error) {
    problems_.push_back(error.what());
    return {};
  }
}

std::string Importer::toml(const ResolvedConfig& resolved) const {
  std::string text =
      "# Imported from " + on_one_line(file_) + ". What was not given there is a comment with its default.\n";
  for (const std::string& skipped : skipped_) text += "# Skipped: " + skipped + "\n";
  text += "config_version = " + std::to_string(kConfigVersion) + "\n";
  for (const Section& section : sections()) {
    text += "\n[" + section.name + "]\n";
    for (const Parameter* row : parameters_of(section.name)) {
      const auto given = given_.find(row->name());
      const std::string line =
          row->key + " = " + toml_text(row->get(resolved.config), row->bounds.empty_is_auto);
      if (given == given_.end()) {
        text += "# " + line + "\n";
      } else {
        text += line + "  # from " + on_one_line(given->second.path) + "\n";
      }
    }
  }
  return text;
}

Import Importer::result() {
  const auto content = read_small_file(file_);
  if (const Problem* problem = std::get_if<Problem>(&content))
    throw ConfigError({on_one_line(file_ + ": " + problem->text())});
  read_group("", "", parse(std::get<std::string>(content)));
  const ResolvedConfig resolved = load();
  if (!problems_.empty()) throw ConfigError(problems_);
  return {toml(resolved), notes_};
}

}  // namespace

Import import_json(const std::string& path, bool skip_unknown) {
  return Importer(path, skip_unknown).result();
}

}  // namespace lockstep
