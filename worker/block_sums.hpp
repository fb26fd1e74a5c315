// Sums of squares over the fixed grid of blocks, the same on any world size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/transport.hpp"

namespace lockstep {

/// Sum of squares in double, in eight fixed lanes: the same bits whatever the compiler vectorises.
double sum_of_squares(const float* values, std::int64_t count);

/// Collective: every rank's numbers. Throws CollectiveError.
std::vector<std::vector<double>> gather_numbers_by_rank(Transport& transport, std::span<const double> own);

/// Collective: every rank's numbers, one after the other, in rank order, which is the order of the blocks.
/// Throws CollectiveError.
std::vector<double> gather_numbers(Transport& transport, std::span<const double> own);

}  // namespace lockstep
