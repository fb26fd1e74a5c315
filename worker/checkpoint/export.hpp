// Exports the weights of a finished run for others to use.
#pragma once

#include <string>

#include "worker/state/layout.hpp"

namespace lockstep {

/// Writes a model file (docs/checkpoint_format.md) to a file beside `path`, syncs it, and renames it to
/// `path`. `flat`: float32 [layout.size()] in host memory; `step` goes into the counters. For rank 0. Throws
/// Error (io).
void export_weights(const std::string& path, const Layout& layout, const at::Tensor& flat, std::int64_t step);

}  // namespace lockstep
