// Images that are small as files and large when decoded, and images whose stored values must come back
// exactly.
#include "worker/data/decoder.hpp"

#include <gtest/gtest.h>
#include <png.h>
#include <sys/resource.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <cstring>
#include <random>
#include <string>

#include "worker/data/image_bytes.hpp"
#include "worker/data/resize.hpp"

namespace lockstep {
namespace {

std::span<const std::byte> bytes_of(const std::string& file) { return std::as_bytes(std::span(file)); }

std::string png_of(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, picture.pixels.data(), 0, nullptr);
  std::string file(size, '\0');
  png_image_write_to_memory(&image, file.data(), &size, 0, picture.pixels.data(), 0, nullptr);
  file.resize(size);
  return file;
}

std::string big_endian(std::uint32_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(number >> shift);
  return bytes;
}

std::string chunk(const std::string& name, const std::string& content) {
  const auto body = name + content;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(content.size())) + body +
         big_endian(static_cast<std::uint32_t>(sum));
}

Picture noise(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Picture picture(height, width, channels);
  std::mt19937 random(3);
  for (auto& level : picture.pixels) level = static_cast<std::uint8_t>(random());
  return picture;
}

std::string damage_of(const std::string& file) {
  Decoder decoder;
  try {
    decoder.shape_of(bytes_of(file));
  } catch (const DamagedImage& damage) {
    return damage.what();
  }
  return "";
}

std::string progressive_jpeg(const Picture& picture) {
  const auto handle = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, picture.pixels.data(), static_cast<int>(picture.width), 0,
              static_cast<int>(picture.height), TJPF_RGB, &data, &size, TJSAMP_420, 90, TJFLAG_PROGRESSIVE);
  std::string file(reinterpret_cast<const char*>(data), size);
  tjFree(data);
  tjDestroy(handle);
  return file;
}

/// The JPEG with its last scan repeated `more` times.
std::string with_more_scans(const std::string& jpeg, int more) {
  const auto last = jpeg.rfind("\xff\xda");
  const auto end = jpeg.size() - 2;
  std::string file = jpeg.substr(0, end);
  for (int i = 0; i < more; ++i) file += jpeg.substr(last, end - last);
  return file + jpeg.substr(end);
}

std::int64_t peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Decoder, EnlargesAThinImageInLittleMemory) {
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{20000, 1}, {1, 65000}}) {
    const auto file = png_of(Picture(height, width, 3));
    const auto before = peak_kib();
    std::vector<std::uint8_t> out(224 * 224 * 3, 1);
    Decoder().decode(bytes_of(file), {224, 224, 3}, false, out.data());
    EXPECT_EQ(out, std::vector<std::uint8_t>(224 * 224 * 3, 0));
    EXPECT_LT(peak_kib() - before, 64 << 10);
  }
}

TEST(Decoder, ComputesTheMiddleOfAnImageAsItWouldBeOfTheWhole) {
  for (const auto& [height, width] :
       {std::pair<std::int64_t, std::int64_t>{50, 31}, {9, 40}, {40, 9}, {20, 33}}) {
    const auto picture = noise(height, width, 3);
    const std::int64_t tall = 20 * height / std::min(height, width),
                       wide = 20 * width / std::min(height, width);
    const auto whole = resized(picture, tall, wide, {0, 0, tall, wide});
    const Box box{(tall - 20) / 2, (wide - 20) / 2, 20, 20};
    const auto part = resized(picture, tall, wide, box);
    for (std::int64_t y = 0; y < 20; ++y)
      EXPECT_EQ(0, std::memcmp(part.pixels.data() + y * 60,
                               whole.pixels.data() + ((box.top + y) * wide + box.left) * 3, 60));
  }
}

TEST(Decoder, RefusesMorePixelsThanItHasMemoryFor) {
  auto file = png_of(Picture(1, 1, 1));
  const auto header = big_endian(1 << 14) + big_endian((1 << 13) + 1) + file.substr(24, 5);
  file = file.substr(0, 8) + chunk("IHDR", header) + file.substr(33);
  EXPECT_EQ(damage_of(file), "it has more than 2^27 pixels");
}

TEST(Decoder, RefusesAPngThatIsTooShortForItsHeader) {
  auto file = png_of(Picture(1, 1, 1));
  file = file.substr(0, 8) + chunk("IHDR", big_endian(5000) + big_endian(5000) + file.substr(24, 5)) +
         file.substr(33);
  EXPECT_EQ(damage_of(file), "PNG: it is too short for the size in its header");
  EXPECT_EQ(damage_of(png_of(Picture(5000, 5000, 1))), "") << "as flat as an image can be";
}

TEST(Decoder, RefusesAJpegOfTooManyScans) {
  const auto jpeg = progressive_jpeg(noise(64, 48, 3));
  const auto scans = scans_in(bytes_of(jpeg));
  EXPECT_GT(scans, 1);
  EXPECT_LT(scans, 20);
  EXPECT_EQ(damage_of(jpeg), "");
  EXPECT_EQ(scans_in(bytes_of(with_more_scans(jpeg, 7))), scans + 7);
  EXPECT_NE(damage_of(with_more_scans(jpeg, 500)).find("scans, too many"), std::string::npos);
  EXPECT_NE(damage_of(with_more_scans(progressive_jpeg(Picture(8192, 8192, 3)), 150)).find("scans, too many"),
            std::string::npos);
}

TEST(Decoder, DoesNotTakeTheScansOfAThumbnailForThoseOfTheImage) {
  const auto jpeg = progressive_jpeg(noise(64, 48, 3));
  const std::string inner = "\xff\xda\xff\xd9\xff\xda";
  const auto file = jpeg.substr(0, 2) + std::string("\xff\xe1\0\x08", 4) + inner + jpeg.substr(2);
  EXPECT_EQ(scans_in(bytes_of(file)), scans_in(bytes_of(jpeg)));
}

/// Flat areas of 16 x 16 pixels, of cyan, magenta, yellow and black as stored in the file.
std::string jpeg_of_inks(const std::vector<std::array<std::uint8_t, 4>>& areas, int subsampling) {
  const auto width = static_cast<int>(16 * areas.size());
  std::vector<std::uint8_t> inks;
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < width; ++x) inks.insert(inks.end(), areas[x / 16].begin(), areas[x / 16].end());
  const auto handle = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, inks.data(), width, 0, 16, TJPF_CMYK, &data, &size, subsampling, 100,
              TJFLAG_ACCURATEDCT);
  std::string file(reinterpret_cast<const char*>(data), size);
  tjFree(data);
  tjDestroy(handle);
  return file;
}

TEST(Decoder, TurnsInksIntoColoursAsPillowDoes) {
  // Image.frombytes("CMYK;I" of these).convert("RGB") of Pillow 13
  const std::vector<std::array<std::uint8_t, 4>> stored{
      {255, 255, 255, 255}, {0, 0, 0, 0}, {0, 255, 255, 255}, {245, 155, 225, 250}, {40, 90, 200, 128}};
  const std::vector<std::array<int, 3>> colours{
      {255, 255, 255}, {0, 0, 0}, {0, 255, 255}, {240, 152, 221}, {20, 45, 100}};
  const auto file = jpeg_of_inks(stored, TJSAMP_444);
  EXPECT_EQ(Decoder().shape_of(bytes_of(file)), (PixelShape{16, 80, 3}));
  std::vector<std::uint8_t> out(16 * 80 * 3);
  Decoder decoder;
  decoder.decode(bytes_of(file), {16, 80, 3}, true, out.data());
  for (std::size_t area = 0; area < colours.size(); ++area)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(out[(8 * 80 + 16 * area + 8) * 3 + c], colours[area][c], 2) << area << " " << c;
  const auto usual = progressive_jpeg(noise(16, 80, 3));  // with the same decoder, after it
  decoder.decode(bytes_of(usual), {16, 80, 3}, true, out.data());
  std::vector<std::uint8_t> small(4 * 20 * 3);
  decoder.decode(bytes_of(file), {8, 8, 3}, false, small.data());
  EXPECT_THROW(decoder.decode(bytes_of(file.substr(0, file.size() / 2)), {16, 80, 3}, true, out.data()),
               DamagedImage);
}

TEST(Decoder, TakesTheLevelsOfAPngAsTheyAreStored) {
  const auto picture = noise(16, 12, 3);
  const auto file = png_of(picture);
  for (const std::uint32_t gamma : {45455u, 55556u, 100000u, 22727u}) {
    const auto with_gamma = file.substr(0, 33) + chunk("gAMA", big_endian(gamma)) + file.substr(33);
    std::vector<std::uint8_t> out(picture.pixels.size());
    Decoder().decode(bytes_of(with_gamma), {16, 12, 3}, false, out.data());
    EXPECT_EQ(out, picture.pixels) << gamma;
  }
}

}  // namespace
}  // namespace lockstep
