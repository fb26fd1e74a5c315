// Sums of squares, the same bits on any world size.
#pragma once

#include <cstdint>

namespace lockstep {

/// Sum of squares in double, in eight fixed lanes: the same bits whatever the compiler vectorises.
double sum_of_squares(const float* values, std::int64_t count);

}  // namespace lockstep
