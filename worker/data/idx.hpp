// MNIST-like folders of IDX files: train-images-idx3-ubyte and so on, plain or .gz.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "worker/data/image_record.hpp"

namespace lockstep {

struct IdxPart {
  std::string image_path, label_path;
  std::int64_t count = 0;
};

struct IdxFiles {
  std::string folder;
  IdxPart train, test;
  PixelShape shape;
};

/// Reads the headers of the four files in `folder`. Throws Error: ExitCode::io when a file is missing (with
/// `remedy`) or cut short, ExitCode::config when its content cannot be used (wrong magic number, sizes that
/// disagree).
IdxFiles find_idx(const std::string& folder, const std::string& remedy = "");

/// Reads all of one part: pixels uint8 [count][height][width], labels uint8 [count]. Throws as find_idx().
void read_idx(const IdxPart& part, const PixelShape& shape, std::uint8_t* pixels, std::uint8_t* labels);

/// count_classes() returns the number of classes: the labels of the training set must run from 0 without a
/// gap, so that one damaged byte cannot add classes. check_test_labels(): those of the test set must be among
/// them. Both throw Error (config).
std::int64_t count_classes(std::span<const ImageRecord> train, const std::string& folder);
void check_test_labels(std::span<const ImageRecord> test, std::int64_t classes, const std::string& folder);

}  // namespace lockstep
