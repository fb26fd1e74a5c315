// The shape of the images that a model is built for.
#pragma once

#include <cstdint>

namespace lockstep {

/// What a model must be built for.
struct ImageShape {
  std::int64_t channels, height, width, classes;
};

}  // namespace lockstep
