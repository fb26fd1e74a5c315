#include "collectives/add_tree.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "collectives/host_device.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t block = 1024;  // elements: a few pieces' intermediate sums stay in the first cache

/// Not __restrict: `sum` may be `left`. Elements do not depend on one another.
template <class Rounded>
void add(const float* left, const float* right, float* sum, std::int64_t count, const Rounded& rounded) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) sum[i] = rounded(added(left[i], right[i]));
}

void add(const float* left, const float* right, float* sum, std::int64_t count, GradientFormat format) {
  switch (format) {
    case GradientFormat::float32:
      return add(left, right, sum, count, [](float value) { return value; });
    case GradientFormat::bf16:
      return add(left, right, sum, count, rounded_to_bf16);
    case GradientFormat::fp16:
      return add(left, right, sum, count, rounded_to_fp16);
  }
}

}  // namespace

void add_tree(std::span<const float* const> pieces, std::span<const Merge> merges, float* sum,
              std::int64_t count, GradientFormat format) {
  if (count == 0) return;
  if (merges.empty()) {
    if (sum != pieces[0]) std::memcpy(sum, pieces[0], sizeof(float) * count);
    return;
  }
  std::vector<float> between(merges.size() > 1 ? pieces.size() * block : 0);
  std::vector<const float*> at(pieces.size());
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const auto size = std::min(block, count - begin);
    for (std::size_t i = 0; i < pieces.size(); ++i) at[i] = pieces[i] + begin;
    for (std::size_t m = 0; m < merges.size(); ++m) {
      const auto [left, right] = merges[m];
      float* const to = m + 1 == merges.size() ? sum + begin : between.data() + left * block;
      add(at[left], at[right], to, size, format);
      at[left] = to;
    }
  }
}

}  // namespace lockstep
