// The images of a data set as they are stored on disk.
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

/// The images of the training set, then those of the test set. From a tree of files, each part has the first
/// image of every class, then the second of every class and so on, so that any stretch of it has all classes.
struct EncodedImages {
  struct Sample {
    std::string name;  ///< path below `place`
    std::int64_t label;
    std::span<const std::byte> bytes;  ///< within `files`; empty: read the file `name`
  };

  std::string place;  ///< the folder or the archive
  std::vector<std::unique_ptr<const MappedFile>> files;
  std::vector<Sample> samples;
  std::int64_t train_count = 0;
  std::vector<std::string> classes;   ///< in the order of labels
  bool planar = false;                ///< CIFAR's layout: all red values, all green, all blue
  std::vector<std::string> left_out;  ///< what is not used: hidden, or no image by its name or place
  std::vector<std::string> notes;     ///< other lines for the user on what was found

  /// The shape that decode() gives every image, and whether all have that size already.
  PixelShape shape;
  bool same_size = false;

  std::int64_t count() const { return std::ssize(samples); }
  std::string path_of(std::int64_t index) const { return place + "/" + samples[index].name; }
  /// Hash of the names and labels; ranks compare it.
  Hash128 list_hash() const;

  /// Size and colour of one image. Throws DamagedImage, and Error (io) when the file cannot be read.
  PixelShape shape_of(std::int64_t index, Decoder& decoder) const;
  /// Writes the pixels of one image to `out`, in `shape`. Throws as shape_of().
  void decode(std::int64_t index, Decoder& decoder, std::uint8_t* out) const;

 private:
  std::span<const std::byte> bytes_of(std::int64_t index, Decoder& decoder) const;
};

/// An image file that was found: its path below train/ or test/, which begins with the class, and its bytes
/// if it is in an archive.
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

/// What is at the top level of train/, test/ or val/, without what is_hidden().
struct Part {
  bool there = false;
  std::set<std::string> folders;
  bool loose_images = false;  ///< images outside of class folders
};

/// The part to test on, "test" or "val": the one that has classes of the training set. Adds a note if the
/// other one is left out. Throws Error (config) when there is neither, or when the images are not in folders
/// of classes.
std::string test_folder(const std::string& place, const Part& train, const Part& test, const Part& val,
                        std::vector<std::string>& notes);

/// Puts the images of `found` in order and numbers the classes in the byte order of their names. Keeps the
/// first `train_samples` and `test_samples` (0: all). Throws Error (config) when a part has no images, a
/// class of the training set is empty or a class is in the test set only; (io) when files are unfinished.
void set_samples(EncodedImages& images, FoundImages found, std::int64_t train_samples,
                 std::int64_t test_samples);

/// Whether a file is an image by its name: .jpg, .jpeg or .png in any case.
bool has_image_name(const std::string& path);

/// Whether a component of the path is one that programs leave beside images: names that begin with a dot
/// (.git, .ipynb_checkpoints, ._1.jpg), @eaDir, #recycle, __MACOSX.
bool is_hidden(const std::string& path);

/// Whether programs give such a name to a file that they are still copying or downloading: 1.jpg.part,
/// rsync's .1.jpg.Ab12Cd.
bool is_unfinished(const std::string& name);

/// Lists the images of a folder or a tar file; find_cifar() likewise. Each throws Error (config, io) when
/// what is there cannot be used.
EncodedImages find_in_folder(const std::string& folder, std::int64_t train_samples,
                             std::int64_t test_samples);
EncodedImages find_in_tar(const std::string& path, std::int64_t train_samples, std::int64_t test_samples);
/// CIFAR-10 or CIFAR-100 in its binary version (https://www.cs.toronto.edu/~kriz/cifar.html).
EncodedImages find_cifar(const std::string& folder, std::int64_t train_samples, std::int64_t test_samples);

}  // namespace lockstep
