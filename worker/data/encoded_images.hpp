// The images of a data set in the form in which they lie on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/hash.hpp"
#include "worker/data/decoder.hpp"
#include "worker/files/mapped_file.hpp"

namespace lockstep {

/// Those of the training set, then those of the test set. Of a tree of files, each part has the first image
/// of every class, then the second of every class and so on, so that any stretch of it is of all classes.
struct EncodedImages {
  struct Sample {
    std::string name;  ///< below `place`
    std::int64_t label;
    std::span<const std::byte> bytes;  ///< within `files`; empty: those of the file of that name
  };

  std::string place;  ///< the folder or the archive
  std::vector<std::unique_ptr<const MappedFile>> files;
  std::vector<Sample> samples;
  std::int64_t train_count = 0;
  std::vector<std::string> classes;   ///< in the order of labels
  bool planar = false;                ///< all red values, all green, all blue: CIFAR's own form
  std::vector<std::string> left_out;  ///< names of files that are no images by their name
  std::vector<std::string> notes;     ///< what else people are told of what was found

  /// What decode() makes of every image; whether all have that size already.
  PixelShape shape;
  bool same_size = false;

  std::int64_t count() const { return std::ssize(samples); }
  std::string path_of(std::int64_t index) const { return place + "/" + samples[index].name; }
  /// Of the names and labels: ranks compare it.
  Hash128 list_hash() const;

  /// Size and colour of one image. Throws DamagedImage, and Error (io) when the file cannot be read.
  PixelShape shape_of(std::int64_t index, Decoder& decoder) const;
  /// Its pixels, in `shape`. Throws as shape_of().
  void decode(std::int64_t index, Decoder& decoder, std::uint8_t* out) const;

 private:
  std::span<const std::byte> bytes_of(std::int64_t index, Decoder& decoder) const;
};

/// An image file that was found: its path below train/ or test/, whose first part is the class.
struct FoundImage {
  std::string path;
  std::span<const std::byte> bytes;
};

/// What a tree of image files holds, in any order, below the folders of the two parts.
struct FoundImages {
  std::string train_folder, test_folder;  ///< "train"; "test" or "val"
  std::vector<FoundImage> train, test;
  std::vector<std::string> empty_classes;  ///< folders below train/ without an image
  std::vector<std::string> unfinished;     ///< files with a name that is_unfinished()
};

/// What lies at the top of train/, test/ or val/, less what is_hidden().
struct Part {
  bool there = false;
  std::set<std::string> folders;
  bool loose_images = false;  ///< in no folder
};

/// "test" or "val": the part to test on, which has classes of the training set. Notes which one is left out.
/// Throws Error (config) when there is none, or its images lie in no folders of classes.
std::string test_folder(const std::string& place, const Part& train, const Part& test, const Part& val,
                        std::vector<std::string>& notes);

/// Orders `found` and makes its class names labels, in the order of their bytes. Keeps the first
/// `train_samples` and `test_samples` (0: all). Throws Error (config) when there are no images, or classes
/// of the test set alone, (io) when files are unfinished.
void set_samples(EncodedImages& images, FoundImages found, std::int64_t train_samples,
                 std::int64_t test_samples);

/// Whether a file is taken for an image by its name: .jpg, .jpeg or .png in any case.
bool has_image_name(const std::string& path);

/// Whether a part of the path is what programs leave beside images: names that begin with a dot (.git,
/// .ipynb_checkpoints, ._1.jpg), @eaDir, #recycle, __MACOSX.
bool is_hidden(const std::string& path);

/// Whether programs give such a name to what they have not copied or downloaded to its end: 1.jpg.part,
/// .1.jpg.Ab12Cd of rsync.
bool is_unfinished(const std::string& name);

/// Each throws Error (config, io) when what is there cannot be used.
EncodedImages find_in_folder(const std::string& folder, std::int64_t train_samples,
                             std::int64_t test_samples);
EncodedImages find_in_tar(const std::string& path, std::int64_t train_samples, std::int64_t test_samples);
/// CIFAR-10 or CIFAR-100 in its binary version (https://www.cs.toronto.edu/~kriz/cifar.html).
EncodedImages find_cifar(const std::string& folder, std::int64_t train_samples, std::int64_t test_samples);

}  // namespace lockstep
