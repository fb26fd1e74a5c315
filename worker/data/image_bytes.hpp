// What must be known about the structure of JPEG and PNG files before they are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// The number of scans of a JPEG, that is, of passes over its picture.
std::int64_t scans_in(std::span<const std::byte> jpeg);

/// Whether a PNG is long enough for the picture that its header gives: deflate compresses by a factor of 1032
/// at most.
bool can_hold_its_picture(std::span<const std::byte> png);

/// `png` without its gAMA chunk, so that levels are taken as stored. Copied to `room` if it has one.
std::span<const std::byte> without_gamma(std::span<const std::byte> png, std::vector<std::byte>& room);

}  // namespace lockstep
