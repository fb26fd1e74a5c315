// An image in another size.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// `part` of `from` as height x width pixels by antialiased bilinear interpolation in whole numbers: Pillow's
/// Image.resize(BILINEAR) bit by bit, where that does columns before rows (src/libImaging/Resample.c; weights
/// have 22 bits, and levels are rounded in between).
/// What lies outside of the part is not computed: a thin image may be enlarged to gigabytes around it.
Picture resized(const Picture& from, std::int64_t height, std::int64_t width, const Box& part);

}  // namespace lockstep
