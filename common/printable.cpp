#include "common/printable.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace lockstep {
namespace {

/// The first character of a text: its length in bytes and its code point; a single byte if it is not UTF-8.
struct Character {
  std::size_t bytes = 1;
  std::uint32_t code = 0;
  bool utf8 = false;
};

Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {1, byte(0), true};
  const std::size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return {};
  std::uint32_t code = byte(0) & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};  // by length in bytes
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < least[bytes] || code > 0x10ffff || surrogate ? Character{} : Character{bytes, code, true};
}

bool changes_direction(std::uint32_t code) {
  return code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool breaks_lines(std::uint32_t code) { return code == 0x2028 || code == 0x2029; }

}  // namespace

std::string printable(std::string_view text, LineFeeds line_feeds) {
  std::string shown;
  while (!text.empty()) {
    const auto [bytes, code, utf8] = first_of(text);
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const bool kept = code == '\n' && line_feeds == LineFeeds::kept;
    if (utf8 && (kept || (!control && !changes_direction(code) && !breaks_lines(code)))) {
      shown += text.substr(0, bytes);
    } else {
      for (const char byte : text.substr(0, bytes)) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(byte));
        shown += escaped;
      }
    }
    text.remove_prefix(bytes);
  }
  return shown;
}

}  // namespace lockstep
