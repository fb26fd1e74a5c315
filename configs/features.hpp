// Features that one word switches off: `--without ema,cutmix`.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

struct Feature {
  std::string name;
  std::vector<Override> off;  ///< the values that switch it off, with the origin "--without NAME"
};

/// In the order of the sections.
const std::vector<Feature>& features();
std::vector<std::string> feature_names();

/// The overrides that switch off all features of `lists`, each comma-separated: {"ema,cutmix", "flip"}.
/// Throws ConfigError with all unknown names.
std::vector<Override> switched_off(const std::vector<std::string>& lists);

}  // namespace lockstep
