// Labelled images as training sees them: pixels, not yet normalised, wherever they come from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collectives/host_memory.hpp"
#include "collectives/transport.hpp"
#include "common/hash.hpp"
#include "configs/config.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/image_record.hpp"

namespace lockstep {

/// `count` images of height x width x channels bytes each (NHWC) and their labels 0 .. classes - 1.
struct Images {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::int64_t> labels;

  /// Where each image lies in its source; empty: in the order of the samples.
  std::vector<std::int64_t> places;
  /// Pixels of the first `decoded` places of the source; the others are decoded out of `encoded` each time.
  std::shared_ptr<const std::uint8_t> pixels;
  std::int64_t decoded = 0;
  std::shared_ptr<const EncodedImages> encoded;
  /// The hash of each image, where it is compared whenever the image is taken: pixels that lie in a packed
  /// file, or come out of files that may have changed. Empty where pixels lie in memory.
  std::vector<Hash128> hashes;
  std::string path;  ///< for messages

  PixelShape shape() const { return {height, width, channels}; }
  /// The pixels of image `index`; valid until the next call with the same decoder. Throws Error (io) when
  /// they are no longer those that were there at the start.
  const std::uint8_t* image(std::int64_t index, Decoder& decoder) const;
};

/// The two parts of a data set.
struct Dataset {
  Images train, test;
  std::int64_t classes = 0;
  std::vector<std::string> class_names;  ///< where the source has them
  ChannelStatistics statistics;          ///< of the training set
  /// Hash of all pixels and labels used, whatever they are stored in: ranks compare it, and a resumed run
  /// must find the same.
  Hash128 hash;
  /// What people are told of: images and files that were left out.
  std::vector<std::string> notes;
};

/// Collective: opens what `settings.path` names, a folder of IDX or CIFAR files or of images, a tar file of
/// images, or a packed file. The ranks of a host share the work and the memory. Throws Error (config, io),
/// with `remedy` where there is nothing, and Interrupted on all ranks, CollectiveError.
Dataset open_dataset(Transport& host, HostMemory& memory, const Config::Data& settings,
                     const std::string& remedy);

/// How many loader threads data.loader_threads = "auto" means for a rank that has so many cores: those that
/// it does not compute on, 4 at most.
std::int64_t loader_threads(const Config& config, int cores);

}  // namespace lockstep
