// What users write: configurations, --set and --without, and the JSON of other programs.
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "configs/features.hpp"
#include "configs/import.hpp"
#include "configs/load.hpp"
#include "configs/names.hpp"
#include "configs/print.hpp"
#include "file.hpp"

namespace lockstep::fuzz {
namespace {

using nlohmann::json;

/// Writes the configuration that was read and reads it again: it must be the same.
void require_round_trip(const ResolvedConfig& read) {
  const auto json = to_json(read.config);
  if (to_json(load_content("again.toml", to_toml(read)).config) != json)
    broken("resolved.toml gives another configuration");
  if (to_json(config_from_json(json)) != json) broken("plan.json gives another configuration");
}

}  // namespace

void read_toml(Bytes bytes) {
  const MemoryFile file(bytes);
  require_round_trip(load_config(file.path()));
}

/// The bytes as a plan, and as a plan that is compared with the defaults.
void read_plan(Bytes bytes) {
  static const auto defaults = json::parse(to_json(load_defaults().config));
  try {
    config_from_json(text_of(bytes));
  } catch (const Error&) {
  }
  if (nesting_of(bytes) > 100) return;
  const auto patch = json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  auto plan = defaults;
  plan.merge_patch(patch.is_object() ? patch : json::object());
  const auto text = plan.dump(-1, ' ', false, json::error_handler_t::replace);
  if (to_json(config_from_json(text)) != text) broken("a plan that changes when it is read");
}

/// Lines: options of --set; the last line is a list for --without and a name to explain.
void read_overrides(Bytes bytes) {
  std::istringstream lines(text_of(bytes));
  std::vector<std::string> words;
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  if (words.empty()) return;
  suggest_name(words.back());
  std::vector<Override> overrides;
  for (const auto& word : words) {
    try {
      overrides.push_back(parse_override(word));
    } catch (const Error&) {
    }
  }
  try {
    require_round_trip(load_defaults(overrides));
  } catch (const Error&) {
  }
  switched_off({words.back()});
}

/// The first byte says whether unknown keys are skipped; the rest is JSON. What import makes of it must load
/// as a configuration.
void read_import(Bytes bytes) {
  if (bytes.empty()) return;
  const MemoryFile file(bytes.subspan(1));
  const auto imported = import_json(file.path(), bytes[0] & 1);
  try {
    load_content("imported.toml", imported.toml);
  } catch (const Error& error) {
    broken(std::string("import gives a configuration that is refused: ") + error.what() + "\n" +
           imported.toml);
  }
}

}  // namespace lockstep::fuzz
