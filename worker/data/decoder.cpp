#include "worker/data/decoder.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include "worker/data/image_bytes.hpp"
#include "worker/data/resize.hpp"

namespace lockstep {
namespace {

/// A file beyond these limits is damaged or an attack. They bound the cost of one image to 1 GB and some
/// seconds.
constexpr std::int64_t most_pixels = std::int64_t{1} << 27, most_scans = 500,
                       most_scanned = std::int64_t{1} << 33;  // pixels, in all scans

bool is_png(std::span<const std::byte> file) {
  return file.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(file.data()), 0, 8) == 0;
}

const unsigned char* begin_of_jpeg(std::span<const std::byte> file) {
  if (file.empty()) throw DamagedImage("it is empty");
  if (file.size() < 3 || file[0] != std::byte{0xff} || file[1] != std::byte{0xd8})
    throw DamagedImage("it is neither JPEG nor PNG");
  return reinterpret_cast<const unsigned char*>(file.data());
}

void require_decodable(std::int64_t height, std::int64_t width) {
  if (height * width > most_pixels) throw DamagedImage("it has more than 2^27 pixels");
}

/// Limits the scans of a JPEG: a progressive one can have any number of them, each of a few bytes.
void require_few_scans(std::span<const std::byte> jpeg, std::int64_t pixels) {
  const auto scans = scans_in(jpeg);
  if (scans > most_scans || scans * pixels > most_scanned)
    throw DamagedImage("JPEG: it has " + std::to_string(scans) + " scans, too many for its size");
}

/// libpng's simplified reader on a file in memory.
class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> file) {
    image_.version = PNG_IMAGE_VERSION;
    file = without_gamma(file, room_);
    png_image_begin_read_from_memory(&image_, file.data(), file.size());
    check();
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // 16-bit levels use the same curve as 8-bit ones
    require_decodable(image_.height, image_.width);
    if (!can_hold_its_picture(file)) throw DamagedImage("PNG: it is too short for the size in its header");
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  PixelShape shape() const {
    return {image_.height, image_.width, image_.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1};
  }

  /// Drops transparency, as Pillow's convert("RGB") does. Writes uint8 [height][width][channels].
  void read(std::int64_t channels, std::uint8_t* out) {
    const bool alpha = image_.format & PNG_FORMAT_FLAG_ALPHA;
    image_.format = (channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) | (alpha ? PNG_FORMAT_FLAG_ALPHA : 0u);
    if (!alpha) {
      png_image_finish_read(&image_, nullptr, out, 0, nullptr);
      return check();
    }
    std::vector<std::uint8_t> all(PNG_IMAGE_SIZE(image_));
    png_image_finish_read(&image_, nullptr, all.data(), 0, nullptr);
    check();
    for (std::size_t at = 0; at < all.size(); at += channels + 1)
      out = std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), channels, out);
  }

 private:
  void check() const {
    if (PNG_IMAGE_FAILED(image_)) throw DamagedImage(std::string("PNG: ") + image_.message);
  }

  struct Image : png_image {
    Image() : png_image{} {}
    ~Image() { png_image_free(this); }
  } image_;
  std::vector<std::byte> room_;
};

/// The size to which an image is resized before its middle is cut out.
PixelShape around(const PixelShape& image, const PixelShape& target) {
  const auto w = image.width, h = image.height;
  if (w * target.height <= h * target.width) return {target.width * h / w, target.width, target.channels};
  return {target.height, target.height * w / h, target.channels};
}

/// The smallest size that libjpeg-turbo can scale a JPEG to (m/8) and that is not below `wanted`, or its own
/// size.
PixelShape scaled_down(const PixelShape& image, const PixelShape& wanted) {
  PixelShape best{image.height, image.width, wanted.channels};
  int count = 0;
  const auto* factors = tjGetScalingFactors(&count);
  for (int i = 0; i < count; ++i) {
    const std::int64_t height = TJSCALED(static_cast<int>(image.height), factors[i]),
                       width = TJSCALED(static_cast<int>(image.width), factors[i]);
    if (height >= wanted.height && width >= wanted.width && height < best.height)
      best = {height, width, wanted.channels};
  }
  return best;
}

Box middle_of(const PixelShape& image, const PixelShape& target) {
  return {std::lrint(static_cast<double>(image.height - target.height) / 2),
          std::lrint(static_cast<double>(image.width - target.width) / 2), target.height, target.width};
}

}  // namespace

Decoder::Decoder() : jpeg_(tjInitDecompress()) {
  if (!jpeg_) throw std::bad_alloc();
}
Decoder::~Decoder() = default;

void Decoder::Free::operator()(void* handle) const { tjDestroy(handle); }

/// Replaces the handle: after an error it may take the next file for one without a picture.
void Decoder::renew() {
  jpeg_.reset(tjInitDecompress());
  if (!jpeg_) throw std::bad_alloc();
}

void Decoder::damaged_jpeg() {
  const auto why = std::string("JPEG: ") + tjGetErrorStr2(jpeg_.get());
  renew();
  throw DamagedImage(why);
}

PixelShape Decoder::shape_of(std::span<const std::byte> file) {
  if (is_png(file)) return PngReader(file).shape();
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg_.get(), begin_of_jpeg(file), file.size(), &width, &height, &subsampling,
                          &colours) != 0)
    damaged_jpeg();
  if (width == 0 || height == 0) throw DamagedImage("JPEG: it ends before its picture begins");
  require_decodable(height, width);
  require_few_scans(file, std::int64_t{height} * width);
  return {height, width, colours == TJCS_GRAY ? 1 : 3};
}

bool Decoder::is_of_inks(std::span<const std::byte> file) {
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(jpeg_.get(), begin_of_jpeg(file), file.size(), &width, &height, &subsampling,
                          &colours) != 0)
    damaged_jpeg();
  return colours == TJCS_CMYK || colours == TJCS_YCCK;
}

/// Decodes a CMYK JPEG to RGB, as Pillow's convert("RGB") does. Files hold the complements of the inks, as
/// Adobe's programs write them.
void Decoder::decode_inks(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out) {
  std::vector<std::uint8_t> inks(static_cast<std::size_t>(as.height * as.width * 4));
  if (tjDecompress2(jpeg_.get(), begin_of_jpeg(file), file.size(), inks.data(), static_cast<int>(as.width), 0,
                    static_cast<int>(as.height), TJPF_CMYK, TJFLAG_ACCURATEDCT) != 0)
    damaged_jpeg();
  for (std::size_t at = 0; at < inks.size(); at += 4) {
    const int black = inks[at + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - inks[at + c]) * black + 128;
      const int share = ((product >> 8) + product) >> 8;  // of 255, rounded
      *out++ = static_cast<std::uint8_t>(std::max(black - share, 0));
    }
  }
}

void Decoder::decode_jpeg(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out) {
  const auto width = static_cast<int>(as.width), height = static_cast<int>(as.height);
  const int format = as.channels == 3 ? TJPF_RGB : TJPF_GRAY;
  if (tjDecompress2(jpeg_.get(), begin_of_jpeg(file), file.size(), out, width, 0, height, format,
                    TJFLAG_ACCURATEDCT) == 0)
    return;
  const DamagedImage damage(std::string("JPEG: ") + tjGetErrorStr2(jpeg_.get()));
  renew();
  if (as.channels == 3 && is_of_inks(file)) return decode_inks(file, as, out);
  throw damage;
}

void Decoder::decode_to(std::span<const std::byte> file, const PixelShape& as, std::uint8_t* out) {
  if (!is_png(file)) return decode_jpeg(file, as, out);
  PngReader reader(file);
  if (reader.shape().height != as.height || reader.shape().width != as.width)
    throw DamagedImage("its size has changed");
  reader.read(as.channels, out);
}

void Decoder::decode(std::span<const std::byte> file, const PixelShape& target, bool has_that_size,
                     std::uint8_t* out) {
  const auto image = has_that_size ? target : shape_of(file);
  if (image.height == target.height && image.width == target.width) return decode_to(file, target, out);
  const auto wanted = around(image, target);
  const auto as =
      is_png(file) ? PixelShape{image.height, image.width, target.channels} : scaled_down(image, wanted);
  Picture picture(as.height, as.width, as.channels);
  decode_to(file, as, picture.pixels.data());
  std::ranges::copy(resized(picture, wanted.height, wanted.width, middle_of(wanted, target)).pixels, out);
}

}  // namespace lockstep
