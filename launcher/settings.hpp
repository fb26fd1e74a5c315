// The options of a command that takes a configuration.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

/// Adds CONFIG, required, and --set, repeatable.
void add_config_options(CLI::App& command, std::string& config, std::vector<std::string>& settings);
/// The same with CONFIG optional; without it the settings go on top of the defaults.
void add_optional_config_options(CLI::App& command, std::string& config, std::vector<std::string>& settings);

/// Loads `config`, or the defaults if it is empty, with the settings on top. Throws ConfigError with all
/// problems.
ResolvedConfig load_config(const std::string& config, const std::vector<std::string>& settings);

}  // namespace lockstep
