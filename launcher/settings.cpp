#include "launcher/settings.hpp"

namespace lockstep {
namespace {

void add_set_option(CLI::App& command, std::vector<std::string>& settings) {
  command.add_option("--set", settings, "Override one value: section.key=value (repeatable)")
      ->allow_extra_args(false);  // one value each, so that CONFIG may follow
}

}  // namespace

void add_config_options(CLI::App& command, std::string& config, std::vector<std::string>& settings) {
  command.add_option("CONFIG", config, "The TOML file of the run")->required();
  add_set_option(command, settings);
}

void add_optional_config_options(CLI::App& command, std::string& config, std::vector<std::string>& settings) {
  command.add_option("CONFIG", config, "The TOML file of a run; by default all values are the defaults");
  add_set_option(command, settings);
}

ResolvedConfig load_config(const std::string& config, const std::vector<std::string>& settings) {
  std::vector<Override> overrides;
  for (const std::string& setting : settings) overrides.push_back(parse_override(setting));
  return config.empty() ? load_defaults(overrides)
                        : load_config(config, std::span<const Override>(overrides));
}

}  // namespace lockstep
