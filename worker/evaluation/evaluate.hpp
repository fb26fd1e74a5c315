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

/// Whether the accuracy on `labels`, 0 .. `classes` - 1, is that of guessing: at most two standard deviations
/// above 1 / classes, or at most that of always predicting the most common class. False for fewer than 100
/// samples, or a single class.
bool is_guessing(const Evaluation& evaluation, std::span<const std::int64_t> labels, std::int64_t classes);

/// Collective: evaluates `model` with its running statistics on samples 0 .. `samples` - 1, in fixed chunks
/// of `chunk_size`. Each rank evaluates a contiguous range of chunks. Correct answers are counted as
/// integers, and losses are added in chunk order, so the result is the same for any world size. Throws
/// CollectiveError, and Interrupted if a signal has asked any rank to end.
Evaluation evaluate(Transport& transport, Model& model, const MicroBatchMaker& maker, std::int64_t samples,
                    std::int64_t chunk_size, const Precision& precision);

}  // namespace lockstep
