// What can be switched off by one word: `--without ema,cutmix`.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

struct Feature {
  std::string name;
  std::vector<Override> off;  ///< what switches it off, with the origin "--without NAME"
};

/// In the order of the sections.
const std::vector<Feature>& features();
std::vector<std::string> feature_names();

/// What switches off all features of `lists`, each a list with commas: {"ema,cutmix", "flip"}. Throws
/// ConfigError with all names that are none.
std::vector<Override> switched_off(const std::vector<std::string>& lists);

}  // namespace lockstep
