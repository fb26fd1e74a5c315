// Loads and checks a configuration from a TOML file and --set options. All problems are reported, not only
// the first.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "configs/config.hpp"
#include "configs/file.hpp"

namespace lockstep {

/// Exit code 2. what() holds all problems sorted by place, one per line: "file:line:col: problem (why)
/// suggestion"; "--set key=value: problem ..." for an option, "file: problem ..." for a file that cannot be
/// read.
class ConfigError : public Error {
 public:
  /// `problems` must not be empty.
  explicit ConfigError(const std::vector<std::string>& problems);

  const char* what() const noexcept override { return lines_.c_str(); }

 private:
  std::string lines_;  ///< printable(), except for the line feeds between problems
};

/// A configuration and, for every parameter, where its value comes from.
struct ResolvedConfig {
  Config config;
  /// "training.batch_size" -> "configs/x.toml:12:1", "--set", "template balanced", "default" or "default of
  /// config_version 1" (configs/versions.hpp); has an entry for every row of the table.
  std::map<std::string, std::string> origin;
};

/// One --set option. `key` is "section.key", a key that only one section has, or "template"; `value` is
/// parsed as a TOML value, or taken as a string if it is not one.
struct Override {
  std::string key;
  std::string value = {};
  std::string origin = {};  ///< its name in messages and ResolvedConfig::origin; empty: "--set"
};

/// Splits "training.epochs=3" at the first '='. Throws ConfigError if there is no '=' or nothing before it.
Override parse_override(const std::string& text);

/// Reads `path`, applies `overrides` (the later wins), fills in the values of the template that they name
/// (the last named wins) where nothing else is given, and checks each value and the rules between values. An
/// empty file gives the defaults. A file of a newer config_version is refused unread; one of an older
/// version, or without one, gets the defaults of that version. Throws ConfigError with all problems.
ResolvedConfig load_config(const std::string& path, std::span<const Override> overrides = {});

/// The same with content that has been read already; `path` is for messages and origins.
ResolvedConfig load_content(const std::string& path, const FileContent& content,
                            std::span<const Override> overrides = {});

/// The same without a file: `overrides` on top of the defaults.
ResolvedConfig load_defaults(std::span<const Override> overrides = {});

}  // namespace lockstep
