// JSON that is imported as a configuration, or refused.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "configs/import.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {

inline Import read(const std::string& content, bool skip_unknown = false) {
  const ConfigFile file(content);
  return import_json(file.path(), skip_unknown);
}

/// The configuration that the printed TOML loads as.
inline Config imported(const std::string& content) { return load(read(content).toml).config; }

/// The problems, one per line, each without the path of the file.
inline std::string refusal(const std::string& content, bool skip_unknown = false) {
  const std::string path = ConfigFile("").path();
  try {
    read(content, skip_unknown);
  } catch (const ConfigError& error) {
    std::string text = error.what();
    EXPECT_TRUE(text.starts_with(path + ": ")) << text;
    for (std::size_t at; (at = text.find(path + ": ")) != std::string::npos;) text.erase(at, path.size() + 2);
    return text;
  }
  ADD_FAILURE() << "was accepted: " << content;
  return "";
}

}  // namespace lockstep
