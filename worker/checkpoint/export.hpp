// The weights that a finished run leaves for others to use.
#pragma once

#include <string>

#include "worker/state/layout.hpp"

namespace lockstep {

/// Writes a model file (docs/checkpoint_format.md) at `path`, beside it first, synced. `flat` is float32
/// [layout.size()] on the host; `step` goes into its counters. For rank 0. Throws Error (io).
void export_weights(const std::string& path, const Layout& layout, const at::Tensor& flat, std::int64_t step);

}  // namespace lockstep
