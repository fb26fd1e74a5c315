// Sharpness and the operations on grey levels, channel by channel, bit for bit as
// torchvision.transforms.functional computes them on uint8 tensors.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// Blends with the picture smoothed by ((1 1 1) (1 5 1) (1 1 1)) / 13, whose outermost pixels stay those of
/// the picture. `factor` 0 gives the smoothed picture, 1 the picture itself, above 1 sharper; factor >= 0.
/// `scratch` has the picture's size.
void adjust_sharpness(Picture& picture, double factor, Picture& scratch);

/// Keeps the highest `bits` bits of each level, 0 <= bits <= 8.
void posterize(Picture& picture, int bits);

/// Inverts the levels that are not below `threshold`.
void solarize(Picture& picture, double threshold);

/// Stretches the levels of each channel to 0 .. 255.
void autocontrast(Picture& picture);

/// Spreads the levels of each channel so that all are about equally frequent (as Pillow's ImageOps.equalize).
void equalize(Picture& picture);

}  // namespace lockstep
