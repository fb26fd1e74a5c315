// Labelled images as training sees them: pixels that are not yet normalised, from any kind of source.
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

  /// The index of each image in its source; empty if the source has the order of the samples.
  std::vector<std::int64_t> places;
  /// Pixels of the first `decoded` images of the source; the others are decoded from `encoded` at each use.
  std::shared_ptr<const std::uint8_t> pixels;
  std::int64_t decoded = 0;
  std::shared_ptr<const EncodedImages> encoded;
  /// The hash of each image, compared at each use if pixels come from a packed file or from files that may
  /// have changed. Empty if the pixels are in memory.
  std::vector<Hash128> hashes;
  std::string path;  ///< for messages

  PixelShape shape() const { return {height, width, channels}; }
  /// The pixels of image `index`; valid until the next call with the same decoder. Throws Error (io) when
  /// they are no longer those found at the start of the run.
  const std::uint8_t* image(std::int64_t index, Decoder& decoder) const;
};

/// The two parts of a data set.
struct Dataset {
  Images train, test;
  std::int64_t classes = 0;
  std::vector<std::string> class_names;  ///< if the source has them
  ChannelStatistics statistics;          ///< of the training set
  /// Hash of all pixels and labels used, however they are stored. Ranks compare it, and a resumed run must
  /// find the same.
  Hash128 hash;
  /// Lines for the user on images and files that were left out.
  std::vector<std::string> notes;
};

/// Collective: opens what `settings.path` names, a folder of IDX or CIFAR files or of images, a tar file of
/// images, or a packed file. The ranks of a host share the work and the memory. Throws Error (config, io),
/// with `remedy` if nothing is found, and Interrupted, on all ranks; throws CollectiveError.
Dataset open_dataset(Transport& host, HostMemory& memory, const Config::Data& settings,
                     const std::string& remedy);

/// The number of loader threads of a rank that has `cores` cores: data.loader_threads or, if that is "auto",
/// one for each core that the rank does not compute on, at most 4.
std::int64_t loader_threads(const Config& config, int cores);

}  // namespace lockstep
