#include "worker/block_sums.hpp"

#include <cstring>

#include "collectives/all_gather.hpp"

namespace lockstep {

double sum_of_squares(const float* values, std::int64_t count) {
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (; i < count; ++i) lanes[i % 8] += static_cast<double>(values[i]) * values[i];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
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
