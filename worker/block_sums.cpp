#include "worker/block_sums.hpp"

#include <cstring>

#include "collectives/all_gather.hpp"
#include "worker/lanes.hpp"

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

std::vector<std::vector<double>> gather_numbers_by_rank(Transport& transport, std::span<const double> own) {
  std::vector<std::vector<double>> all;
  for (const auto& part : gather_bytes(transport, std::as_bytes(own))) {
    auto& numbers = all.emplace_back(part.size() / sizeof(double));
    std::memcpy(numbers.data(), part.data(), part.size());
  }
  return all;
}

std::vector<double> gather_numbers(Transport& transport, std::span<const double> own) {
  std::vector<double> all;
  for (const auto& part : gather_numbers_by_rank(transport, own))
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace lockstep
