// The value of a parameter as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "configs/registry.hpp"

namespace lockstep {

/// Numbers, booleans, strings and lists as they are; "auto" for an AutoInteger or AutoReal without a number
/// and, if `empty_is_auto`, for an empty list.
nlohmann::json json_value(const Value& value, bool empty_is_auto);

}  // namespace lockstep
