// Brightness, contrast, saturation and hue, bit by bit as torchvision.transforms.functional of tensors of
// uint8.
#pragma once

#include "worker/data/picture.hpp"

namespace lockstep {

/// Blends with black: `factor` 0 is black, 1 the picture itself, above 1 brighter. factor >= 0, in the others
/// too.
void adjust_brightness(Picture& picture, double factor);

/// Blends with the mean of the grey picture (of 3 channels: cut to whole grey levels before the mean is
/// taken).
void adjust_contrast(Picture& picture, double factor);

/// Blends with the grey picture: 0.2989 red + 0.587 green + 0.114 blue, cut to whole levels (ITU-R BT.601).
/// One channel stays as it is.
void adjust_saturation(Picture& picture, double factor);

/// Turns the hue in HSV space by `turn` of the circle, -0.5 .. 0.5. One channel stays as it is.
void adjust_hue(Picture& picture, double turn);

}  // namespace lockstep
