// Exact evaluation: each sample once, the same numbers on any world size.
#pragma once

#include <cstdint>
#include <span>

#include "collectives/transport.hpp"
#include "worker/data/micro_batch.hpp"
#include "worker/models/precision.hpp"
#include "worker/state/accuracy.hpp"

namespace lockstep {

struct Model;

/// Whether so many correct answers on `labels`, 0 .. `classes` - 1, are those of guessing: at most two
/// deviations above 1 / classes, or not more than always saying the most common class. Never of fewer than
/// 100 samples, or of one class.
bool is_guessing(const Evaluation& evaluation, std::span<const std::int64_t> labels, std::int64_t classes);

/// Collective: evaluates `model` with its running statistics on samples 0 .. `samples` - 1, in fixed chunks
/// of `chunk_size` of which each rank takes a contiguous range; counts are integers, losses are added in
/// chunk order. Throws CollectiveError, and Interrupted when a rank has been asked to end.
Evaluation evaluate(Transport& transport, Model& model, const MicroBatchMaker& maker, std::int64_t samples,
                    std::int64_t chunk_size, const Precision& precision);

}  // namespace lockstep
