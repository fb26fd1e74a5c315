// What people are told of classes that they may not expect.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "worker/data/image_record.hpp"

namespace lockstep {

/// A line for the classes without a training image, and one for those without a test image. `names` may be
/// empty. Where only the first samples are taken (train_samples, test_samples: all if 0) nothing is said.
std::vector<std::string> notes_on_classes(std::span<const ImageRecord> train,
                                          std::span<const ImageRecord> test, std::int64_t classes,
                                          const std::vector<std::string>& names, std::int64_t train_samples,
                                          std::int64_t test_samples);

}  // namespace lockstep
