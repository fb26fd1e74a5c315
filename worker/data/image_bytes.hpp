// The structure of JPEG and PNG files, as far as it has to be known before they are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// How many scans a JPEG has, that is passes over its picture.
std::int64_t scans_in(std::span<const std::byte> jpeg);

/// Whether a PNG is long enough for the picture that its header gives: deflate saves no more than 1031/1032.
bool can_hold_its_picture(std::span<const std::byte> png);

/// `png` without its gAMA chunk, in `room` if it has one: levels are taken as they are stored.
std::span<const std::byte> without_gamma(std::span<const std::byte> png, std::vector<std::byte>& room);

}  // namespace lockstep
