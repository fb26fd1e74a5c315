// Writes a TOML file for the current test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& content)
      : path_(testing::TempDir() + "lockstep_" + std::to_string(getpid()) + ".toml") {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~ConfigFile() { std::remove(path_.c_str()); }
  ConfigFile(const ConfigFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline ResolvedConfig load(const std::string& content, const std::vector<std::string>& settings = {}) {
  const ConfigFile file(content);
  std::vector<Override> overrides;
  for (const std::string& setting : settings) overrides.push_back(parse_override(setting));
  return load_config(file.path(), overrides);
}

/// The problems of a configuration that must be refused, one a line, with "FILE" for the path of the file.
inline std::string problems(const std::string& content, const std::vector<std::string>& settings = {}) {
  const std::string path = ConfigFile("").path();
  try {
    load(content, settings);
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::config);
    std::string text = error.what();
    for (std::size_t at; (at = text.find(path)) != std::string::npos;) text.replace(at, path.size(), "FILE");
    return text;
  }
  ADD_FAILURE() << "was accepted: " << content;
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lockstep
