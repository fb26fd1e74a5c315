// The shape of the images that a model is built for.
#pragma once

#include <cstdint>

namespace lockstep {

/// Channels of the images, height and width in pixels, and the number of classes.
struct ImageShape {
  std::int64_t channels, height, width, classes;
};

}  // namespace lockstep
