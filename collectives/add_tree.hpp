// Additions along the tree in host memory.
#pragma once

#include <cstdint>
#include <span>

#include "collectives/gradient_format.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// How sums are stored: through the caches, or past them, which halves the memory traffic of a sum that is
/// larger than they are.
enum class Stores { cached, past_caches };

/// Carries out `merges` in order on `partial_sums`, float32 [count] each, every sum rounded to `format`, and
/// leaves the last one in `sum`; without merges it copies the only partial sum. The partial sums are not
/// changed, but `sum` may be partial_sums[0]. Every element is read once and written once.
void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
              std::int64_t count, GradientFormat format = GradientFormat::float32,
              Stores stores = Stores::cached);

}  // namespace lockstep
