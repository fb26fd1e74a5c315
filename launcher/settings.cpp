#include "launcher/settings.hpp"

#include <filesystem>

#include "configs/features.hpp"
#include "configs/templates.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

/// One value for each time the option is written, so that CONFIG may follow.
void add_repeatable(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                    const std::string& description) {
  command.add_option(name, values, description)->allow_extra_args(false);
}

void add_options(CLI::App& command, Settings& settings) {
  command.add_option("--template", settings.template_name,
                     "The template under the file's own values: " + joined(template_names()));
  add_repeatable(command, "--set", settings.set, "Override one value: section.key=value (repeatable)");
  add_repeatable(command, "--without", settings.without,
                 "Switch features off, a list with commas (repeatable): " + joined(feature_names()));
}

}  // namespace

void add_settings(CLI::App& command, Settings& settings) {
  command.add_option("CONFIG", settings.config, "The TOML file of the run")->required();
  add_options(command, settings);
}

void add_settings_with_optional_config(CLI::App& command, Settings& settings) {
  command.add_option("CONFIG", settings.config,
                     "The TOML file of a run; by default all values are the defaults");
  add_options(command, settings);
}

std::vector<Override> overrides(const Settings& settings) {
  std::vector<Override> all;
  const std::string& name = settings.template_name;
  if (!name.empty()) all.push_back({kTemplateKey, name, "--template " + name});
  for (const std::string& text : settings.set) all.push_back(parse_override(text));
  const std::vector<Override> off = switched_off(settings.without);
  all.insert(all.end(), off.begin(), off.end());
  return all;
}

std::vector<std::string> set_options(const Settings& settings) {
  std::vector<std::string> words;
  for (const auto& [key, value, origin] : overrides(settings))
    words.insert(words.end(), {"--set", key + "=" + value});
  return words;
}

ResolvedConfig resolve(const Settings& settings) {
  const std::vector<Override> all = overrides(settings);
  return settings.config.empty() ? load_defaults(all) : load_config(settings.config, all);
}

ResolvedConfig resolved_of_run(const std::string& run) {
  const auto path = std::filesystem::path(run) / "resolved.toml";
  if (!std::filesystem::exists(path)) {
    throw Error(ExitCode::config, run + " is not a run folder", "it has no resolved.toml",
                "give the folder that `lockstep train` named at its end");
  }
  return load_config(path);
}

}  // namespace lockstep
