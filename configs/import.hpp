// Hyper-parameters that other programs keep in JSON, as a configuration.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct Import {
  std::string toml;  ///< a configuration with a comment on every value: what it was called, or its default
  std::vector<std::string> notes;  ///< one line for each key that is called otherwise here, or was skipped
};

/// Reads keys flat ({"learning_rate": 0.001}) or in groups: sections of the table, and those of the
/// hyper-parameter plan
/// ({"hyperparameters": {"optimizer_advanced": {"adam": {"beta1": 0.9}}}}). A key is found by its name or an
/// alias of the table; null leaves it at its default. Throws ConfigError with all problems: keys without a
/// counterpart (unless they are skipped), keys given twice, values and combinations of them that are refused.
Import import_json(const std::string& path, bool skip_unknown);

}  // namespace lockstep
