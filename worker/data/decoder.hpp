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

/// The bytes are no image that can be used; what() says why. It follows from the bytes alone.
class DamagedImage : public std::runtime_error {
  using runtime_error::runtime_error;
};

/// Decodes one image at a time; a thread has its own. What a file is, its first bytes say and not its name. A
/// JPEG that libjpeg-turbo so much as warns of, as of one that is cut short, is a DamagedImage.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// The size of the image, with 3 channels if it has colours and 1 if it is grey. Reads the header only.
  PixelShape shape_of(std::span<const std::byte> file);

  /// The pixels in the shape of `target`; a grey image becomes three equal channels where it has 3. An image
  /// of another size is shrunk or enlarged until its shorter side fits, and its middle cut out (torchvision's
  /// Resize and CenterCrop); a JPEG is decoded by libjpeg-turbo at the smallest m/8 of its size that is not
  /// below. `has_that_size` skips a look at the header where the size is known to be the target's.
  void decode(std::span<const std::byte> file, const PixelShape& target, bool has_that_size,
              std::uint8_t* out);

  /// Room for a file's bytes or for pixels, one after the other.
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
