// From the bytes of a JPEG or PNG file to pixels of a given size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "worker/data/picture.hpp"

namespace lockstep {

/// The shape of an image of uint8 [height][width][channels].
struct PixelShape {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t bytes() const { return height * width * channels; }
  bool operator==(const PixelShape&) const = default;
};

/// Thrown when bytes are not a usable image; what() says why. Whether it is thrown depends on the bytes
/// alone.
class DamagedImage : public std::runtime_error {
  using runtime_error::runtime_error;
};

/// Decodes one image at a time; each thread has its own decoder. The first bytes of a file tell its format,
/// not its name. A JPEG about which libjpeg-turbo only warns, such as one that is cut short, is a
/// DamagedImage too.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// The size of the image, with 3 channels if it has colours and 1 if it is grey. Reads the header only.
  /// Throws DamagedImage.
  PixelShape shape_of(std::span<const std::byte> file);

  /// Writes the pixels in the shape of `target` to `out`; a grey image gets three equal channels if the
  /// target has 3. An image of another size is resized until its shorter side fits, and its middle is cut out
  /// (torchvision's Resize and CenterCrop); libjpeg-turbo first decodes a JPEG at the smallest m/8 of its
  /// size that is not below that. `has_that_size`: the size is known to be the target's, so the header is not
  /// read first. Throws DamagedImage.
  void decode(std::span<const std::byte> file, const PixelShape& target, bool has_that_size,
              std::uint8_t* out);

  /// Scratch memory for a file's bytes and for pixels, reused from image to image.
  std::vector<std::byte> file_bytes;
  std::vector<std::uint8_t> pixels;

 private:
  void renew();
  [[noreturn]] void damaged_jpeg();
  void decode_jpeg(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out);
  void decode_inks(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out);
  bool is_of_inks(std::span<const std::byte> file);
  void decode_to(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out);

  struct Free {
    void operator()(void* handle) const;
  };
  std::unique_ptr<void, Free> jpeg_;
};

}  // namespace lockstep
