#include "launcher/settings.hpp"

namespace lockstep {

void add_config_options(CLI::App& command, std::string& config, std::vector<std::string>& settings) {
  command.add_option("CONFIG", config, "The TOML file of the run")->required();
  command.add_option("--set", settings, "Override one value of the file: section.key=value (repeatable)")
      ->allow_extra_args(false);  // one value each, so that CONFIG may follow
}

ResolvedConfig load_config(const std::string& config, const std::vector<std::string>& settings) {
  std::vector<Override> overrides;
  for (const std::string& setting : settings) overrides.push_back(parse_override(setting));
  return load_config(config, std::span<const Override>(overrides));
}

}  // namespace lockstep
