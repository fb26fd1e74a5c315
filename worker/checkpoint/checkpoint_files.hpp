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

/// The elements of a model that the rank with this shard needs to write its part: the shard, and the end of a
/// channels-last tensor that begins in it. One rank writes such a tensor alone, because a piece of it is
/// scattered in logical order; all other tensors are written by the owners of their blocks.
Range elements_to_write(const Layout& layout, Range shard);
/// Writes and syncs that part. `values`: float32, the elements_to_write() of the flat buffer; `step` goes
/// into the counters. Uses no tensor of LibTorch, so that any thread may call it. Not collective. Throws
/// Error (io).
void write_model_part(const SafetensorsFile& file, const Layout& layout, Range shard, const float* values,
                      std::int64_t step);
/// Reads the whole file into `flat`, float32 [layout.size()]. Not collective. Throws Error (io), also if
/// `step` is given and a counter differs from it.
void read_model(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat,
                std::optional<std::int64_t> step = {});

/// Writes and syncs a rank's shard of every array of the optimiser: `arrays`, float32 [shard.size()] each, in
/// the order of the file. Otherwise as write_model_part().
void write_optimizer_part(const SafetensorsFile& file, Range shard, std::span<const float* const> arrays);
/// Reads this rank's shard of every array of the optimiser. Not collective. Throws Error (io), also if the
/// padding between blocks, which the hashes leave out, is not 0.
void read_optimizer_part(const SafetensorsFile& file, TrainingState& state);

}  // namespace lockstep
