// 128-bit content hashes (XXH3). They recognise damage and compare runs; they are not cryptographic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

/// A 128-bit hash in the form in which it is sent and compared: 16 bytes, most significant first, on every
/// host.
struct Hash128 {
  std::array<std::uint8_t, 16> bytes{};

  bool operator==(const Hash128&) const = default;
  /// 32 lower-case hexadecimal digits.
  std::string hex() const;
};

/// XXH3-128 (xxHash specification 0.2) of `size` bytes.
Hash128 hash_bytes(const void* data, std::size_t size);
Hash128 hash_text(std::string_view text);
/// The hash of the concatenation of hashes in the given order.
Hash128 hash_of_hashes(std::span<const Hash128> hashes);

}  // namespace lockstep
