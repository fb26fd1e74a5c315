// Resizes an image.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// `part` of what `from` becomes when it is resized to height x width pixels, by antialiased bilinear
/// interpolation in integers: bit for bit Pillow's Image.resize(BILINEAR) where that does columns before rows
/// (src/libImaging/Resample.c; weights have 22 bits, and levels are rounded in between). Only `part` is
/// computed: all of a thin image, enlarged, may be gigabytes.
Picture resized(const Picture& from, std::int64_t height, std::int64_t width, const Box& part);

}  // namespace lockstep
