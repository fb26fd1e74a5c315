// Numbers that nothing may end with: what is saved, exported or loaded as weights is looked through for them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "common/error.hpp"
#include "worker/layout.hpp"

namespace lockstep {

/// What is wrong with the tensor `name`: "NAME has values that are not finite (element 3 is nan)", or, in a
/// running variance (by its name), values below 0; "" for nothing. One pass over memory.
std::string trouble_in(const std::string& name, std::span<const float> values);

/// The same of the first such tensor among `blocks` of a model's flat buffer, whose elements from `begin` on
/// are `values`. Elements are counted in the order of memory. Safe beside other threads.
std::string trouble_in_blocks(const Layout& layout, std::span<const Block> blocks, const float* values,
                              std::int64_t begin);

/// The same of a whole flat buffer, float32 [layout.size()], on any device.
std::string trouble_in_weights(const Layout& layout, const at::Tensor& flat);

/// Error (diverged): `problem`, as in "ema.safetensors cannot be written", because of `trouble`.
Error diverged(const std::string& problem, const std::string& trouble);

}  // namespace lockstep
