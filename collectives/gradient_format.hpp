// The number formats in which gradients travel between hosts.
#pragma once

#include <bit>
#include <cstdint>

namespace lockstep {

enum class GradientFormat { float32, bf16, fp16 };

/// The nearest bfloat16, ties to even; infinities and NaN stay what they are.
inline float rounded_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool finite = (bits & 0x7f800000U) != 0x7f800000U;
  const auto up = finite ? bits + 0x7fffU + (bits >> 16 & 1U) : bits | (bits & 0xffffU ? 0x400000U : 0U);
  return std::bit_cast<float>(up & 0xffff0000U);
}

/// The nearest binary16 (IEEE 754), ties to even: infinite from 65520 on, multiples of 2^-24 below 2^-14.
inline float rounded_to_fp16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = bits & 0x80000000U, size = bits ^ sign;
  // Adding 1/2 leaves no bit below 2^-24.
  const auto small = std::bit_cast<std::uint32_t>((std::bit_cast<float>(size) + 0.5F) - 0.5F);
  const auto normal = (size + 0xfffU + (size >> 13 & 1U)) & ~0x1fffU;
  auto result = size < 0x38800000U ? small : size >= 0x477ff000U ? 0x7f800000U : normal;
  if (size > 0x7f800000U) result = 0x7fc00000U;  // NaN
  return std::bit_cast<float>(result | sign);
}

/// The 16 bits of a value that the format has, and back. For fp16 the exponent's bias changes from 127 to 15.
inline std::uint16_t encoded(float value, GradientFormat format) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (format == GradientFormat::bf16) return static_cast<std::uint16_t>(bits >> 16);
  const auto sign = bits >> 16 & 0x8000U, size = bits & 0x7fffffffU;
  const auto small = static_cast<std::uint32_t>(std::bit_cast<float>(size) * 0x1p24F);  // a whole number
  const auto normal = (size >> 13) - (112U << 10);
  const auto special = 0x7c00U | (size > 0x7f800000U ? 0x200U : 0U);
  return static_cast<std::uint16_t>(sign | (size >= 0x7f800000U  ? special
                                            : size < 0x38800000U ? small
                                                                 : normal));
}

inline float decoded(std::uint16_t code, GradientFormat format) {
  const std::uint32_t bits = code;
  if (format == GradientFormat::bf16) return std::bit_cast<float>(bits << 16);
  const auto sign = (bits & 0x8000U) << 16, size = bits & 0x7fffU;
  const auto small = std::bit_cast<std::uint32_t>(static_cast<float>(size) * 0x1p-24F);
  const auto normal = (size << 13) + (112U << 23), special = 0x7f800000U | (size & 0x3ffU) << 13;
  return std::bit_cast<float>(sign | (size >= 0x7c00U ? special : size < 0x400U ? small : normal));
}

}  // namespace lockstep
