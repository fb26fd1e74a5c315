#include "launcher/settings.hpp"

#include <filesystem>

#include "configs/features.hpp"
#include "configs/templates.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

constexpr std::size_t largest_variable = 120 * 1024;  // Linux allows 128 KiB for an environment variable

/// One value per occurrence of the option, so that CONFIG may follow.
void add_repeatable(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                    const std::string& description) {
  command.add_option(name, values, description)->allow_extra_args(false);
}

void add_options(CLI::App& command, Settings& settings) {
  command
      .add_option("--template", settings.template_name,
                  "The template under the file's own values: " + joined(template_names()))
      ->check(given);
  add_repeatable(command, "--set", settings.set, "Override one value: section.key=value (repeatable)");
  add_repeatable(command, "--without", settings.without,
                 "Switch features off, a list with commas (repeatable): " + joined(feature_names()));
}

std::string why_not_given(const std::string& text) {
  return text.empty() ? "an empty text was given: leave the option out, or give a value" : "";
}

std::string why_no_path(const std::string& text) {
  if (!text.starts_with('~')) return why_not_given(text);
  return text + " begins with '~', which the shell has not replaced: write the whole path";
}

}  // namespace

const CLI::Validator given(why_not_given, "");
const CLI::Validator given_path(why_no_path, "");

void add_settings(CLI::App& command, Settings& settings) {
  command.add_option("CONFIG", settings.config, "The TOML file of the run")->required()->check(given_path);
  add_options(command, settings);
}

void add_settings_with_optional_config(CLI::App& command, Settings& settings) {
  command
      .add_option("CONFIG", settings.config, "The TOML file of a run; by default all values are the defaults")
      ->check(given_path);
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

ResolvedConfig resolve(const Settings& settings, std::optional<std::string>* text) {
  const std::vector<Override> all = overrides(settings);
  if (settings.config.empty()) return load_defaults(all);
  const auto content = read_small_file(settings.config);
  auto resolved = load_content(settings.config, content, all);
  if (!text) return resolved;
  *text = std::get<std::string>(content);
  if ((*text)->size() <= largest_variable) return resolved;
  throw ConfigError({on_one_line(settings.config) +
                     ": too large to be handed to the ranks (more than 120 KiB) take comments out, or write "
                     "long lists shorter"});
}

ResolvedConfig resolved_of_run(const std::string& run) {
  const auto path = std::filesystem::path(run) / "resolved.toml";
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) {
    throw Error(ExitCode::config, run + " is not a run folder", "it has no file resolved.toml",
                "give the folder that `lockstep train` named at its end");
  }
  return load_config(path);
}

}  // namespace lockstep
