#include "common/hash.hpp"

// Compiled here for this build's instruction set: the packaged library is compiled for the baseline.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lockstep {

std::string Hash128::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Hash128 hash_bytes(const void* data, std::size_t size) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
  Hash128 hash;
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), hash.bytes.begin());
  return hash;
}

Hash128 hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }

Hash128 hash_of_hashes(std::span<const Hash128> hashes) {
  return hash_bytes(hashes.data(), hashes.size_bytes());
}

}  // namespace lockstep
