// Moving pixels about: affine maps and resizing.
#pragma once

#include <array>

#include "worker/data/picture.hpp"

namespace lockstep {

/// Where the pixel at (x, y) from the picture's centre comes from: (m[0] x + m[1] y + m[2], m[3] x + m[4] y +
/// m[5]).
using AffineMap = std::array<double, 6>;

/// Shears about the top left corner, by `slope` pixels sideways (down) for each pixel down (sideways).
AffineMap shear_x(double slope, const Picture& picture);
AffineMap shear_y(double slope, const Picture& picture);
/// Moves by so many pixels to the right and down.
AffineMap translation(double right, double down);
/// Turns about the centre, counter-clockwise.
AffineMap rotation(double degrees);

/// Each pixel takes the level of the nearest one where it comes from, 0 from outside: torchvision's affine()
/// with nearest interpolation. Float32 with two products and two sums a coordinate, each rounded. `scratch`
/// has the picture's size.
void warp(Picture& picture, const AffineMap& map, Picture& scratch);

/// Enlarges `box` of `from`, an image of `to`'s size and channels, to all of `to`: linear in each direction,
/// sideways first, the levels in between kept in float32 with one fused rounding for each product;
/// torchvision's resized_crop() of float32 with antialias, which has no effect on enlarging.
void enlarge(const std::uint8_t* from, const Box& box, Picture& to);

}  // namespace lockstep
