// Synthetic gradients of K micro-batches, and their sum by the recursive definition of the reduction tree,
// one element at a time.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>

#include "collectives/gradient_format.hpp"

namespace lockstep::contract {

/// The value of element `element` in the gradient of micro-batch `leaf`.
using Gradient = std::function<float(std::int64_t leaf, std::int64_t element)>;

inline std::uint64_t mixed(std::uint64_t x) {  // the finaliser of splitmix64 (Steele, Lea and Flood, 2014)
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Small whole numbers: every order of addition gives the same exact sum.
inline Gradient whole_numbers() {
  return [](std::int64_t leaf, std::int64_t element) {
    return static_cast<float>((leaf * 31 + element * 7) % 2001 - 1000);
  };
}

/// Floats of all magnitudes, denormals and zeros of both signs; no sum of 64 of them overflows.
inline Gradient awkward_floats(std::uint64_t seed) {
  return [seed](std::int64_t leaf, std::int64_t element) {
    const auto bits =
        mixed(seed + mixed(static_cast<std::uint64_t>(leaf) << 40 ^ static_cast<std::uint64_t>(element)));
    const auto sign = static_cast<std::uint32_t>(bits >> 63) << 31;
    const auto mantissa = static_cast<std::uint32_t>(bits) & 0x7fffffU;
    const auto exponent = static_cast<std::uint32_t>(bits >> 32);
    switch (element % 7) {
      case 0:
        return std::bit_cast<float>(sign);  // a zero
      case 1:
        return std::bit_cast<float>(sign | mantissa);  // denormal
      case 2:
        return std::bit_cast<float>(sign | exponent % 3 << 23 | mantissa);  // around the smallest normal
      case 3:
        return std::bit_cast<float>(sign | (240 + exponent % 8) << 23 | mantissa);  // huge
      case 4:
        return std::bit_cast<float>(sign | exponent % 248 << 23 | mantissa);  // any
      default:
        return std::bit_cast<float>(sign | (120 + exponent % 16) << 23 | mantissa);  // ordinary
    }
  };
}

/// Values from -10 to 10, whose sums stay within the range of the 16-bit formats.
inline Gradient moderate_floats() {
  return [](std::int64_t leaf, std::int64_t element) {
    return static_cast<float>(mixed(leaf * 65536 + element) % 2000001) * 1e-5F - 10;
  };
}

/// The sum of leaves [begin, end) by definition: the left child of a node takes the largest power of two that
/// is smaller than the number of leaves. Leaves and nodes are rounded to the format of `rounding`.
inline float rounded_sum(const Gradient& gradient, const Rounding& rounding, std::int64_t element,
                         std::int64_t begin, std::int64_t end) {
  const auto format = element < rounding.end ? rounding.format : GradientFormat::float32;
  if (end - begin == 1) return rounded(gradient(begin, element), format);
  const auto half = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(end - begin)) / 2);
  return rounded(rounded_sum(gradient, rounding, element, begin, begin + half) +
                     rounded_sum(gradient, rounding, element, begin + half, end),
                 format);
}

/// The same without rounding to a 16-bit format: leaves and nodes stay float32.
inline float reference_sum(const Gradient& gradient, std::int64_t element, std::int64_t begin,
                           std::int64_t end) {
  return rounded_sum(gradient, {}, element, begin, end);
}

}  // namespace lockstep::contract
