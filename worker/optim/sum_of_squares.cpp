#include "worker/optim/sum_of_squares.hpp"

#include "worker/optim/lanes.hpp"

namespace lockstep {

double sum_of_squares(const float* values, std::int64_t count) {
  double lane[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int l = 0; l < lanes; ++l) lane[l] = with_square(lane[l], values[i + l]);
  }
  for (; i < count; ++i) lane[i % lanes] = with_square(lane[i % lanes], values[i]);
  return sum_of_lanes(lane);
}

}  // namespace lockstep
