// JPEG: ITU-T T.81, annex B. PNG: https://www.w3.org/TR/png-3/, 5.
#include "worker/data/image_bytes.hpp"

#include <array>
#include <cstring>

namespace lockstep {
namespace {

std::uint64_t number_at(std::span<const std::byte> file, std::size_t at, int bytes) {
  std::uint64_t number = 0;
  for (int i = 0; i < bytes; ++i) number = number << 8 | static_cast<std::uint64_t>(file[at + i]);
  return number;
}

}  // namespace

std::int64_t scans_in(std::span<const std::byte> jpeg) {
  std::int64_t scans = 0;
  for (std::size_t at = 2; at + 4 <= jpeg.size();) {
    const auto* found = std::memchr(jpeg.data() + at, 0xff, jpeg.size() - at - 3);
    if (!found) break;
    at = static_cast<std::size_t>(static_cast<const std::byte*>(found) - jpeg.data()) + 1;
    const auto marker = static_cast<unsigned>(jpeg[at]);
    if (marker == 0xff) continue;  // a fill byte
    if (marker == 0xd9) break;     // the end of the image
    ++at;
    if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;  // no segment follows
    if (marker == 0xda) ++scans;
    if (at + 2 <= jpeg.size()) at += number_at(jpeg, at, 2);
  }
  return scans;
}

bool can_hold_its_picture(std::span<const std::byte> png) {
  if (png.size() < 26) return false;
  constexpr std::array<std::uint64_t, 7> samples{1, 0, 3, 1, 2, 0, 4};  // samples of a pixel, by colour type
  const auto kind = number_at(png, 25, 1);
  const auto bits = number_at(png, 24, 1) * (kind < samples.size() ? samples[kind] : 0);
  using Wide = unsigned __int128;
  return Wide{number_at(png, 16, 4)} * number_at(png, 20, 4) * bits / 8 <= Wide{1032} * png.size();
}

std::span<const std::byte> without_gamma(std::span<const std::byte> png, std::vector<std::byte>& room) {
  for (std::size_t at = 8; at + 12 <= png.size();) {
    const auto length = 12 + number_at(png, at, 4);
    const auto* name = png.data() + at + 4;
    if (length > png.size() - at || std::memcmp(name, "IDAT", 4) == 0) break;
    if (std::memcmp(name, "gAMA", 4) == 0) {
      room.assign(png.begin(), png.begin() + static_cast<std::ptrdiff_t>(at));
      room.insert(room.end(), png.begin() + static_cast<std::ptrdiff_t>(at + length), png.end());
      return room;
    }
    at += length;
  }
  return png;
}

}  // namespace lockstep
