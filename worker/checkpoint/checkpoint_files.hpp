// The files of one checkpoint and how a state's arrays lie in them.
#pragma once

#include <string>
#include <vector>

#include "worker/checkpoint/safetensors.hpp"
#include "worker/state.hpp"

namespace lockstep {

/// A model file: every parameter and running statistic under its name, in logical row-major order, and the
/// counters num_batches_tracked that torch's batch norm has.
SafetensorsFile model_file(const std::string& path, const Layout& layout);
/// optimizer.safetensors: each array of the optimiser as one vector, in the order of the flat buffer.
SafetensorsFile optimizer_file(const std::string& path, const TrainingState& state);

/// Writes bytes [part.begin, part.end) of the file's data from `flat`, float32 [layout.size()].
void write_model_part(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat,
                      std::int64_t step, Range part);
/// Reads the whole file into `flat`.
void read_model(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat);

/// Writes or reads this rank's shard of every array of the optimiser.
void write_optimizer_part(const SafetensorsFile& file, const TrainingState& state);
void read_optimizer_part(const SafetensorsFile& file, TrainingState& state);

}  // namespace lockstep
