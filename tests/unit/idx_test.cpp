// IDX files with wrong headers.
#include "worker/data/idx.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"

namespace lockstep {
namespace {

std::string idx(const std::vector<std::uint32_t>& sizes, std::size_t content) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const auto size : sizes)
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(size >> shift);
  return bytes + std::string(content, '\0');
}

/// Four files of 12 images of 3 x 2 pixels; a test may replace one of them.
struct Folder : ScratchFolder {
  Folder() {
    for (const std::string part : {"train", "t10k"}) {
      write(part + "-images-idx3-ubyte", idx({12, 3, 2}, 72));
      write(part + "-labels-idx1-ubyte", idx({12}, 12));
    }
  }
};

void expect_images_refused(ExitCode code, const std::string& images, const std::string& why) {
  const Folder folder;
  const auto path = folder.write("train-images-idx3-ubyte", images);
  expect_refused(code, [&] { find_idx(folder.path()); }, {path, why, "again"});
}

TEST(Idx, ReadsWhatItsHeadersSay) {
  const Folder folder;
  const auto files = find_idx(folder.path());
  EXPECT_EQ(files.train.count, 12);
  EXPECT_EQ(files.shape, (PixelShape{3, 2, 1}));
}

TEST(Idx, RefusesSizesWhoseProductOverflows) {
  const std::uint32_t a = 536847744;  // 64 x (2^29 - a) x (2^29 + a + 1) is small modulo 2^64
  for (const auto& sizes : {std::vector<std::uint32_t>{64, (1u << 29) - a, (1u << 29) + a + 1},
                            {12, 0xffffffff, 0xffffffff},
                            {0xffffffff, 0xffffffff, 0xffffffff},
                            {12, 1u << 31, 1u << 31},
                            {12, 1u << 20, 1u << 20},
                            {0, 3, 2},
                            {12, 0, 2}})
    expect_images_refused(ExitCode::config, idx(sizes, 72), "impossible size");
}

TEST(Idx, RefusesAHeaderThatAsksForMoreThanTheFileHolds) {
  expect_images_refused(ExitCode::io, idx({12, 1 << 14, 1 << 14}, 72), "ends before its header says");
  expect_images_refused(ExitCode::io, idx({12, 3, 2}, 71), "ends before its header says");
}

TEST(Idx, RefusesBytesBeyondItsHeader) {
  expect_images_refused(ExitCode::config, idx({12, 3, 2}, 73), "longer than its header says");
}

TEST(Idx, RefusesACompressedFileThatCannotHoldWhatItsHeaderSays) {
  const Folder folder;
  std::filesystem::remove(folder.path() + "/train-images-idx3-ubyte");
  const auto path = folder.path() + "/train-images-idx3-ubyte.gz", bytes = idx({12, 1 << 14, 1 << 14}, 72);
  const auto file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  expect_refused(ExitCode::io, [&] { find_idx(folder.path()); }, {path, "ends before its header says"});
}

std::string gzipped(const std::string& bytes) {
  const ScratchFolder folder;
  const auto path = folder.path() + "/file.gz";
  const auto file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  std::ifstream back(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(back), {}};
}

/// Reads training images from these bytes.
void read_images(const std::string& compressed) {
  const Folder folder;
  std::filesystem::remove(folder.path() + "/train-images-idx3-ubyte");
  folder.write("train-images-idx3-ubyte.gz", compressed);
  const auto files = find_idx(folder.path());
  std::vector<std::uint8_t> pixels(72), labels(12);
  read_idx(files.train, files.shape, pixels.data(), labels.data());
}

TEST(Idx, RefusesWhatFollowsItsCompressedData) {
  const auto file = gzipped(idx({12, 3, 2}, 72));
  for (const auto& rest : {std::string("x"), std::string(3, '\0') + "x", std::string(1 << 19, '\0') + "x"}) {
    const auto at = std::to_string(file.size() + rest.size() - 1);
    expect_refused(
        ExitCode::io, [&] { read_images(file + rest); },
        {"train-images-idx3-ubyte.gz", "follows the end of its compressed data at byte " + at, "again"});
  }
  expect_refused(ExitCode::config, [&] { read_images(file + gzipped("x")); },
                 {"longer than its header says"});
  for (std::size_t size = file.size() - 1; size > 0; --size)
    EXPECT_THROW(read_images(file.substr(0, size)), Error) << size;
}

TEST(Idx, TakesGzipsZerosAndMembers) {
  const auto bytes = idx({12, 3, 2}, 72);
  read_images(gzipped(bytes) + std::string(5000, '\0'));
  read_images(gzipped(bytes.substr(0, 40)) + gzipped("") + gzipped(bytes.substr(40)));
}

TEST(Idx, RefusesOtherNumbersOfImagesThanLabels) {
  expect_images_refused(ExitCode::config, idx({11, 3, 2}, 66), "11 images but 12 labels");
  expect_images_refused(ExitCode::config, idx({13, 3, 2}, 78), "13 images but 12 labels");
}

TEST(Idx, DoesNotWaitForAFifo) {
  const Folder folder;
  const auto path = folder.path() + "/train-images-idx3-ubyte";
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_refused(ExitCode::io, [&] { find_idx(folder.path()); }, {path, "FIFO", "regular file"});
}

}  // namespace
}  // namespace lockstep
