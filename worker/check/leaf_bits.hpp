// The bits of a micro-batch's results.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "common/hash.hpp"

namespace lockstep {

/// The hash of all values of `leaves`, float32 in host memory, in their order; undefined ones are left out.
Hash128 hash_of_leaves(const std::vector<at::Tensor>& leaves);

}  // namespace lockstep
