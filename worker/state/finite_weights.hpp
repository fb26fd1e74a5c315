// Looks for values that are not finite in flat buffers before they are saved or exported.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "worker/state/layout.hpp"

namespace lockstep {

/// The description by trouble_in() of the first tensor among `blocks` that has values that are not finite, or
/// a negative running variance; "" if there is none. `values`: float32, the model's flat buffer from element
/// `begin` on. Elements are counted in memory order. Not collective, thread-safe.
std::string trouble_in_blocks(const Layout& layout, std::span<const Block> blocks, const float* values,
                              std::int64_t begin);

/// The same for a whole flat buffer, float32 [layout.size()], on any device.
std::string trouble_in_weights(const Layout& layout, const at::Tensor& flat);

}  // namespace lockstep
