// The files of one checkpoint and how a state's arrays lie in them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/files/safetensors.hpp"
#include "worker/state/state.hpp"

namespace lockstep {

/// A model file: every parameter and running statistic under its name, in logical row-major order, and the
/// counters num_batches_tracked that torch's batch norm has.
SafetensorsFile model_file(const std::string& path, const Layout& layout);
/// optimizer.safetensors: each array of the optimiser as one vector, in the order of the flat buffer.
SafetensorsFile optimizer_file(const std::string& path, const TrainingState& state);

/// What a rank with this shard must hold of a model to write its part: the shard, and the end of a
/// channels-last tensor that begins in it. Such a tensor is written by one rank alone, because in logical
/// order a piece of it is scattered; all others by the owners of their blocks.
Range elements_to_write(const Layout& layout, Range shard);
/// Writes and syncs that part. `values` is the flat buffer over elements_to_write(). Touches no tensor of
/// LibTorch, so that any thread may do it. Not collective. Throws Error (io).
void write_model_part(const SafetensorsFile& file, const Layout& layout, Range shard, const float* values,
                      std::int64_t step);
/// Reads the whole file into `flat`. Throws Error (io) also where a counter is not `step`, if that is known.
void read_model(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat,
                std::optional<std::int64_t> step = {});

/// Writes and syncs a rank's shard of every array of the optimiser, in their order. As write_model_part().
void write_optimizer_part(const SafetensorsFile& file, Range shard, std::span<const float* const> arrays);
/// Reads this rank's shard of every array of the optimiser. Throws Error (io) also where what no block holds,
/// which the hashes leave out, is not 0.
void read_optimizer_part(const SafetensorsFile& file, TrainingState& state);

}  // namespace lockstep
