// Flat buffers that nothing may end with: what is saved or exported is looked through for values that are not
// finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "worker/state/layout.hpp"

namespace lockstep {

/// What trouble_in() says of the first tensor that is not sound among `blocks` of a model's flat buffer,
/// whose elements from `begin` on are `values`. Elements are counted in the order of memory. Safe beside
/// other threads.
std::string trouble_in_blocks(const Layout& layout, std::span<const Block> blocks, const float* values,
                              std::int64_t begin);

/// The same of a whole flat buffer, float32 [layout.size()], on any device.
std::string trouble_in_weights(const Layout& layout, const at::Tensor& flat);

}  // namespace lockstep
