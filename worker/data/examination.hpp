// Examines every encoded image once, before training: its size, whether it is damaged, and its pixels.
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

/// What is known about one image. Trivially copyable and all zeros at first, since it lies in memory that
/// ranks share.
struct Examined {
  ImageRecord record;
  std::int32_t height, width, channels;
  std::array<char, 100> damage;  ///< why it cannot be used; "" if it can

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

/// Enters the sizes of the images `own`, or their damage, into `table`, on `threads` threads. Returns the
/// index at which `pause` stopped it, or the end of `own`. Throws Error (io) when a file cannot be read at
/// all, which does not count as a damaged image.
std::int64_t look_at_headers(const EncodedImages& images, Range own, std::span<Examined> table,
                             std::int64_t threads, const Pause& pause = never);

/// Chooses the shape that all images get: 3 channels if any has colours; the sides data.image_size or,
/// without that, the size that all have. Throws Error (config) when sizes differ and data.image_size is not
/// set, (io) when no image is sound.
void choose_shape(EncodedImages& images, std::span<const Examined> table, const Config::Data& settings);

/// Decodes the images `own`, enters their records or damage into `table`, and keeps the pixels of those that
/// have a slot. Returns and throws as look_at_headers().
std::int64_t examine(const EncodedImages& images, Range own, Slots slots, std::span<Examined> table,
                     std::int64_t threads, const Pause& pause = never);

/// Throws Error (io) that names damaged images if data.damaged_images is "error"; Error (config) if leaving
/// them out would leave the test set or a class of the training set empty.
void refuse_damaged(const EncodedImages& images, std::span<const Examined> table,
                    const Config::Data& settings);

/// The records of the sound images of `range`, and their indices.
struct SoundImages {
  std::vector<ImageRecord> records;
  std::vector<std::int64_t> places;
};
SoundImages sound_among(std::span<const Examined> table, Range range);

/// A line for every image that is left out as damaged, one for how many these are, and one for files that are
/// not images by their names.
std::vector<std::string> notes_on(const EncodedImages& images, std::span<const Examined> table);

}  // namespace lockstep
