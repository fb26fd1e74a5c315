// The number formats in which gradients travel between hosts, and between GPUs.
#pragma once

#include <cstdint>
#include <cstring>

#include "collectives/host_device.hpp"

namespace lockstep {

enum class GradientFormat { float32, bf16, fp16 };

/// Elements [0, end) of the flat buffer are of `format`, the others float32.
struct Rounding {
  GradientFormat format = GradientFormat::float32;
  std::int64_t end = 0;
};

// std::bit_cast is C++20.
LOCKSTEP_HOST_DEVICE inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
LOCKSTEP_HOST_DEVICE inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The nearest bfloat16, ties to even; infinities and NaN stay what they are.
LOCKSTEP_HOST_DEVICE inline float rounded_to_bf16(float value) {
  const auto bits = bits_of(value);
  const bool finite = (bits & 0x7f800000U) != 0x7f800000U;
  const auto up = finite ? bits + 0x7fffU + (bits >> 16 & 1U) : bits | (bits & 0xffffU ? 0x400000U : 0U);
  return float_of(up & 0xffff0000U);
}

/// The nearest binary16 (IEEE 754), ties to even: infinite from 65520 on, multiples of 2^-24 below 2^-14.
LOCKSTEP_HOST_DEVICE inline float rounded_to_fp16(float value) {
  const auto bits = bits_of(value);
  const auto sign = bits & 0x80000000U, size = bits ^ sign;
  // Adding 1/2 leaves no bit below 2^-24.
  const auto small = bits_of((float_of(size) + 0.5F) - 0.5F);
  const auto normal = (size + 0xfffU + (size >> 13 & 1U)) & ~0x1fffU;
  auto result = size < 0x38800000U ? small : size >= 0x477ff000U ? 0x7f800000U : normal;
  if (size > 0x7f800000U) result = 0x7fc00000U;  // NaN
  return float_of(result | sign);
}

LOCKSTEP_HOST_DEVICE inline float rounded(float value, GradientFormat format) {
  if (format == GradientFormat::bf16) return rounded_to_bf16(value);
  return format == GradientFormat::fp16 ? rounded_to_fp16(value) : value;
}

/// The 16 bits of a value that the format has, and back. For fp16 the exponent's bias changes from 127 to 15.
LOCKSTEP_HOST_DEVICE inline std::uint16_t encoded(float value, GradientFormat format) {
  const auto bits = bits_of(value);
  if (format == GradientFormat::bf16) return static_cast<std::uint16_t>(bits >> 16);
  const auto sign = bits >> 16 & 0x8000U, size = bits & 0x7fffffffU;
  const auto small = static_cast<std::uint32_t>(float_of(size) * 0x1p24F);  // a whole number
  const auto normal = (size >> 13) - (112U << 10);
  const auto special = 0x7c00U | (size > 0x7f800000U ? 0x200U : 0U);
  return static_cast<std::uint16_t>(sign | (size >= 0x7f800000U  ? special
                                            : size < 0x38800000U ? small
                                                                 : normal));
}

LOCKSTEP_HOST_DEVICE inline float decoded(std::uint16_t code, GradientFormat format) {
  const std::uint32_t bits = code;
  if (format == GradientFormat::bf16) return float_of(bits << 16);
  const auto sign = (bits & 0x8000U) << 16, size = bits & 0x7fffU;
  const auto small = bits_of(static_cast<float>(size) * 0x1p-24F);
  const auto normal = (size << 13) + (112U << 23), special = 0x7f800000U | (size & 0x3ffU) << 13;
  return float_of(sign | (size >= 0x7c00U ? special : size < 0x400U ? small : normal));
}

}  // namespace lockstep
