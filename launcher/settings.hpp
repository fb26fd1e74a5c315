// The options of commands that take a configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

struct Settings {
  std::string config;                ///< the TOML file; empty: only the defaults
  std::string template_name;         ///< --template; empty: that of the file, if it names one
  std::vector<std::string> set;      ///< --set
  std::vector<std::string> without;  ///< --without, comma-separated lists
};

/// Refuses an empty text, which usually is an unset variable in a script.
extern const CLI::Validator given;
/// The same for paths, which must not begin with '~' either: shells do not expand it after '=' or in quotes.
extern const CLI::Validator given_path;

/// Adds CONFIG, required, --template, --set and --without.
void add_settings(CLI::App& command, Settings& settings);
/// The same with CONFIG optional; without it the settings go on top of the defaults.
void add_settings_with_optional_config(CLI::App& command, Settings& settings);

/// All options as overrides, the later ones winning: --without comes after --set. Throws ConfigError for
/// invalid assignments and unknown features.
std::vector<Override> overrides(const Settings& settings);

/// The same as arguments for the worker: --set KEY=VALUE for each.
std::vector<std::string> set_options(const Settings& settings);

/// Loads the configuration, or the defaults, with the settings on top. Throws ConfigError with all problems.
/// `text`, if given, is set to the content of the file, to be passed to the ranks: a pipe can be read only
/// once.
ResolvedConfig resolve(const Settings& settings, std::optional<std::string>* text = nullptr);

/// The configuration of the run in the folder `run`. Throws Error (config) if there is none.
ResolvedConfig resolved_of_run(const std::string& run);

}  // namespace lockstep
