#include "collectives/add_tree.hpp"

#ifdef __AVX__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "collectives/host_device.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t block =
    1024;  // elements: a few partial sums' intermediate sums stay in the first cache

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

/// Returns false, with nothing done, if `sum` is not aligned or the processor has no such stores.
bool add_past_caches([[maybe_unused]] const float* left, [[maybe_unused]] const float* right,
                     [[maybe_unused]] float* sum, [[maybe_unused]] std::int64_t count) {
#ifdef __AVX__
  constexpr std::int64_t lanes = 8;
  if (reinterpret_cast<std::uintptr_t>(sum) % sizeof(__m256) != 0 || count % lanes != 0) return false;
  for (std::int64_t i = 0; i < count; i += lanes)
    _mm256_stream_ps(sum + i, _mm256_loadu_ps(left + i) + _mm256_loadu_ps(right + i));
  return true;
#else
  return false;
#endif
}

/// Stores past the caches are weakly ordered: without a fence, the store that publishes the sum could become
/// visible first.
void wait_for_stores() {
#ifdef __AVX__
  _mm_sfence();
#endif
}

}  // namespace

void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
              std::int64_t count, GradientFormat format, Stores stores) {
  assert(count >= 0 && !partial_sums.empty() && merges.size() + 1 == partial_sums.size());
  if (count == 0) return;
  if (merges.empty()) {
    if (sum != partial_sums[0]) std::memcpy(sum, partial_sums[0], sizeof(float) * count);
    return;
  }
  std::vector<float> between(merges.size() > 1 ? partial_sums.size() * block : 0);
  std::vector<const float*> at(partial_sums.size());
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const auto size = std::min(block, count - begin);
    for (std::size_t i = 0; i < partial_sums.size(); ++i) at[i] = partial_sums[i] + begin;
    for (std::size_t m = 0; m < merges.size(); ++m) {
      const auto [left, right] = merges[m];
      assert(left >= 0 && left < std::ssize(partial_sums) && right >= 0 && right < std::ssize(partial_sums));
      const bool last = m + 1 == merges.size();
      float* const to = last ? sum + begin : between.data() + left * block;
      const bool past = last && stores == Stores::past_caches && format == GradientFormat::float32;
      if (!past || !add_past_caches(at[left], at[right], to, size))
        add(at[left], at[right], to, size, format);
      at[left] = to;
    }
  }
  if (stores == Stores::past_caches) wait_for_stores();
}

}  // namespace lockstep
