// The options of a command that takes a configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

struct Settings {
  std::string config;                ///< the TOML file; empty: none, only the defaults
  std::string template_name;         ///< of --template; empty: that of the file, if it names one
  std::vector<std::string> set;      ///< of --set
  std::vector<std::string> without;  ///< of --without, lists with commas
};

/// For options with a text: an empty one is most often a variable of a script that is not set.
extern const CLI::Validator given;
/// For options with a path: nor one that begins with '~', which shells leave behind '=' and in quotes.
extern const CLI::Validator given_path;

/// Adds CONFIG, required, --template, --set and --without.
void add_settings(CLI::App& command, Settings& settings);
/// The same with CONFIG optional; without it the settings go on top of the defaults.
void add_settings_with_optional_config(CLI::App& command, Settings& settings);

/// All options, a later one winning over an earlier one: what is to be without a feature is so whatever is
/// set. Throws ConfigError with what is no assignment or no feature.
std::vector<Override> overrides(const Settings& settings);

/// The same as arguments for a program that reads the configuration: --set KEY=VALUE for each.
std::vector<std::string> set_options(const Settings& settings);

/// Loads the configuration, or the defaults, with the settings on top. Throws ConfigError with all problems.
/// `text`, where given, becomes that of the file, for the ranks: a pipe can be read only once.
ResolvedConfig resolve(const Settings& settings, std::optional<std::string>* text = nullptr);

/// That of the run in the folder `run`. Throws Error (config) when there is none.
ResolvedConfig resolved_of_run(const std::string& run);

}  // namespace lockstep
