// Turns hyper-parameters that other programs keep in JSON into a configuration.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct Import {
  std::string toml;  ///< the configuration; a comment gives the original name of each value, or its default
  std::vector<std::string> notes;  ///< one line for each key that has another name here, or was skipped
};

/// Keys may be flat ({"learning_rate": 0.001}) or in groups, which are sections of the table or nest as in
/// {"hyperparameters": {"optimizer_advanced": {"adam": {"beta1": 0.9}}}}. A key is found by its name or an
/// alias of the table; null leaves it at its default. Throws ConfigError with all problems: keys without a
/// counterpart (unless they are skipped), duplicate keys, and values or combinations of values that are
/// refused.
Import import_json(const std::string& path, bool skip_unknown);

}  // namespace lockstep
