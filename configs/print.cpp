#include "configs/print.hpp"

#include <nlohmann/json.hpp>

#include "common/stored_json.hpp"
#include "configs/json_value.hpp"
#include "configs/registry.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

struct FromJson {
  const json& node;

  template <class T>
  void operator()(T& value) const {
    const json pattern = T{};
    if (!has_types_of({{"value", node}}, {{"value", pattern}}))
      throw json::other_error::create(0, "another type", &node);
    value = node.get<T>();
  }
  void operator()(std::vector<Real>& list) const { list = node.get<std::vector<Real>>(); }
  template <class T>
  void operator()(std::optional<T>& value) const {
    value.reset();
    if (node != "auto") (*this)(value.emplace());
  }
};

json json_of(const Config& config, bool only_result) {
  json root = json::object();
  for (const Parameter& row : parameters()) {
    if (only_result && row.effect != Effect::changes_result) continue;
    root[row.section][row.key] = json_value(row.get(config), false);
  }
  return root;
}

ConfigError unreadable(const std::string& why) {
  return ConfigError({"stored configuration: cannot be read (" + why +
                      ") it was written by another version or damaged: start a new run"});
}

}  // namespace

std::string to_toml(const ResolvedConfig& resolved) {
  std::string text = "config_version = " + std::to_string(kConfigVersion) + "\n";
  for (const Section& section : sections()) {
    text += "\n[" + section.name + "]\n";
    for (const Parameter* row : parameters_of(section.name)) {
      const auto origin = resolved.origin.find(row->name());
      text += row->key + " = " + toml_text(row->get(resolved.config), row->bounds.empty_is_auto) +
              "  # from " + on_one_line(origin == resolved.origin.end() ? "unknown" : origin->second) + "\n";
    }
  }
  return text;
}

std::string to_json(const Config& config) { return json_of(config, false).dump(); }

std::string result_json(const Config& config) { return json_of(config, true).dump(); }

Config config_from_json(const std::string& text) {
  Config config;
  try {
    const json root = stored_json(text);
    for (const Parameter& row : parameters()) {
      Value value = row.default_value;
      std::visit(FromJson{root.at(row.section).at(row.key)}, value);
      if (const auto problem = check_bounds(row, value)) throw unreadable(problem->text());
      row.set(config, value);
    }
    if (to_json(config) != root.dump())
      throw unreadable("it has keys or types that this version does not know");
  } catch (const json::exception& error) {
    throw unreadable(error.what());
  }
  return config;
}

std::vector<std::string> differing_keys(const Config& a, const Config& b) {
  std::vector<std::string> differing;
  for (const Parameter& row : parameters()) {
    if (row.effect != Effect::changes_result || row.get(a) == row.get(b)) continue;
    differing.push_back(row.name() + ": " + toml_text(row.get(a), row.bounds.empty_is_auto) + " -> " +
                        toml_text(row.get(b), row.bounds.empty_is_auto));
  }
  return differing;
}

}  // namespace lockstep
