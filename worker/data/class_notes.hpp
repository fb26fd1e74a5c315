// Notes for the user on classes without images.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "worker/data/image_record.hpp"

namespace lockstep {

/// A line for the classes without a training image, and one for those without a test image. `names` may be
/// empty. Says nothing about a part of which only the first samples are taken (train_samples, test_samples;
/// 0: all).
std::vector<std::string> notes_on_classes(std::span<const ImageRecord> train,
                                          std::span<const ImageRecord> test, std::int64_t classes,
                                          const std::vector<std::string>& names, std::int64_t train_samples,
                                          std::int64_t test_samples);

}  // namespace lockstep
