// An image in another size.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// `from` as height x width pixels by antialiased bilinear interpolation in whole numbers: Pillow's
/// Image.resize(BILINEAR) bit by bit, where that does columns before rows (src/libImaging/Resample.c; weights
/// have 22 bits, and levels are rounded in between).
Picture resized(const Picture& from, std::int64_t height, std::int64_t width);

}  // namespace lockstep
