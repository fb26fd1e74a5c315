// Geometric operations: affine maps and enlarging.
#pragma once

#include <array>

#include "worker/data/picture.hpp"

namespace lockstep {

/// From a pixel of the result to its source, both relative to the picture's centre: (x, y) comes from (m[0] x
/// + m[1] y + m[2], m[3] x + m[4] y + m[5]).
using AffineMap = std::array<double, 6>;

/// Shears about the top left corner: shear_x() by `slope` pixels sideways per pixel down, shear_y() by
/// `slope` pixels down per pixel sideways.
AffineMap shear_x(double slope, const Picture& picture);
AffineMap shear_y(double slope, const Picture& picture);
/// Moves by `right` pixels to the right and `down` pixels down.
AffineMap translation(double right, double down);
/// Rotates about the centre, counter-clockwise.
AffineMap rotation(double degrees);

/// Each pixel takes the levels of the source pixel nearest to where `map` says it comes from, or 0 from
/// outside: torchvision's affine() with nearest interpolation. Computed in float32 with two products and two
/// sums per coordinate, each rounded. `scratch` has the picture's size.
void warp(Picture& picture, const AffineMap& map, Picture& scratch);

/// Enlarges `box` of `from`, uint8 [height][width][channels] of `to`'s size, to all of `to`. Interpolates
/// linearly, horizontally first, with float32 levels in between and each product added by a fused
/// multiply-add: torchvision's resized_crop() of float32 with antialias, which has no effect on enlarging.
void enlarge(const std::uint8_t* from, const Box& box, Picture& to);

}  // namespace lockstep
