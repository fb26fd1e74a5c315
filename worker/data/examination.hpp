// Looking at every encoded image once, before training: its size, whether it is sound, what its pixels are.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "collectives/tree.hpp"
#include "configs/config.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/image_record.hpp"

namespace lockstep {

/// What has been found of one image. Trivially copyable, zero at first: it lies in memory that ranks share.
struct Examined {
  ImageRecord record;
  std::int32_t height, width, channels;
  std::array<char, 100> damage;  ///< why it cannot be used; "" where it can

  bool sound() const { return damage[0] == '\0'; }
};

/// Room for the pixels of the first `count` images.
struct Slots {
  std::uint8_t* pixels;
  std::int64_t count;
};

/// Whether to pause between two images.
using Pause = std::function<bool()>;
inline bool never() { return false; }

/// Enters the sizes of the images `own` into the table, or their damage. Returns where it has paused, or the
/// end. Throws Error (io) when a file cannot be read at all: that is not for the images to blame.
std::int64_t look_at_headers(const EncodedImages& images, Range own, std::span<Examined> table,
                             std::int64_t threads, const Pause& pause = never);

/// Decides the shape that all images get: 3 channels if any has colours; data.image_size, or the size that
/// all have. Throws Error (config) when they differ, or none is sound.
void choose_shape(EncodedImages& images, std::span<const Examined> table, const Config::Data& settings);

/// Decodes the images `own`, enters their records or damage, and leaves their pixels where there is a slot.
/// Returns as look_at_headers().
std::int64_t examine(const EncodedImages& images, Range own, Slots slots, std::span<Examined> table,
                     std::int64_t threads, const Pause& pause = never);

/// Throws Error (io) that names damaged images where data.damaged_images is "error"; Error (config) when
/// leaving them out would leave a part or a class of the training set empty.
void refuse_damaged(const EncodedImages& images, std::span<const Examined> table,
                    const Config::Data& settings);

/// The images of `range` that are sound, and their places.
struct SoundImages {
  std::vector<ImageRecord> records;
  std::vector<std::int64_t> places;
};
SoundImages sound_among(std::span<const Examined> table, Range range);

/// A line for every image that is left out, and one for files that are no images by their names.
std::vector<std::string> notes_on(const EncodedImages& images, std::span<const Examined> table);

}  // namespace lockstep
