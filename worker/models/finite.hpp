// Finds numbers that no run may end with in what is saved, exported or loaded as weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/error.hpp"

namespace lockstep {

/// What is wrong with the tensor `name`: "NAME has values that are not finite (element 3 is nan)", or, in a
/// running variance (by its name), values below 0; "" for nothing. `first`: the index in the tensor of the
/// first of `values`. One pass over memory.
std::string trouble_in(const std::string& name, std::span<const float> values, std::int64_t first = 0);

/// Error (diverged): `problem`, as in "ema.safetensors cannot be written", because of `trouble`.
Error diverged(const std::string& problem, const std::string& trouble);

}  // namespace lockstep
