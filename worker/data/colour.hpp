// Brightness, contrast, saturation and hue, bit for bit as torchvision.transforms.functional computes them on
// uint8 tensors.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// Blends with black: `factor` 0 is black, 1 the picture itself, above 1 brighter. factor >= 0, here and
/// below.
void adjust_brightness(Picture& picture, double factor);

/// Blends with the mean of the grey picture, which for 3 channels is truncated to whole levels before the
/// mean is taken.
void adjust_contrast(Picture& picture, double factor);

/// Blends with the grey picture: 0.2989 red + 0.587 green + 0.114 blue, truncated to whole levels (ITU-R
/// BT.601). A picture with one channel stays as it is.
void adjust_saturation(Picture& picture, double factor);

/// Turns the hue in HSV space by `turn` of the circle, -0.5 .. 0.5. A picture with one channel stays as it
/// is.
void adjust_hue(Picture& picture, double turn);

}  // namespace lockstep
