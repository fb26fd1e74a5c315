// What identifies a plan, in files and among ranks.
#pragma once

#include <string>

#include "common/hash.hpp"
#include "configs/config.hpp"

namespace lockstep {

/// The hash of what decides the result of a run: the settings that can change it, and Plan::grown_from.
Hash128 plan_hash(const Config& config, const std::string& grown_from);

}  // namespace lockstep
