// What is checked of a packed file before any of its numbers is used.
#include "worker/data/packed_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "common/error.hpp"
#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"
#include "worker/data/pack.hpp"

namespace lockstep {
namespace {

constexpr PixelShape shape{4, 3, 1};

/// A packed file of 4 training and 2 test images of 2 classes, in which a test may change some numbers.
struct Forgery {
  PixelShape shape = lockstep::shape;
  std::int64_t train = 4, classes = 2;
  std::vector<std::string> names{"cat", "dog"};
  std::function<void(std::vector<ImageRecord>&)> change = [](auto&) {};
};

std::string path_of(const Forgery& forgery) {
  const auto path = testing::TempDir() + "/packed_" + std::to_string(getpid());
  PackedFileWriter writer(path, forgery.shape, 6, forgery.names);
  std::vector<ImageRecord> records;
  for (std::int64_t i = 0; i < 6; ++i)
    records.push_back(record_of(writer.pixels() + i * forgery.shape.bytes(), forgery.shape, i % 2));
  forgery.change(records);
  writer.finish(records, forgery.train, forgery.classes);
  return path;
}

std::string refusal_of(const Forgery& forgery) {
  const auto path = path_of(forgery);
  std::string what;
  try {
    PackedFile{path};
  } catch (const Error& error) {
    what = error.what();
    EXPECT_EQ(error.exit_code(), ExitCode::io);
    EXPECT_NE(what.find(path), std::string::npos) << what;
    EXPECT_NE(what.find("lockstep pack"), std::string::npos) << what;
  }
  std::filesystem::remove(path);
  return what;
}

void expect_refused(const Forgery& forgery, const std::string& why) {
  const auto what = refusal_of(forgery);
  EXPECT_NE(what.find(why), std::string::npos) << "\"" << what << "\" without \"" << why << "\"";
}

Forgery with_label(std::size_t image, std::int64_t label) {
  Forgery forgery;
  forgery.change = [=](auto& records) { records[image].label = label; };
  return forgery;
}

TEST(PackedFile, OpensAsItWasWritten) {
  const auto path = path_of({});
  const PackedFile file(path);
  EXPECT_EQ(file.shape(), shape);
  EXPECT_EQ(file.classes(), 2);
  EXPECT_EQ(file.train().size(), 4u);
  EXPECT_EQ(file.test()[1].label, 1);
  std::filesystem::remove(path);
}

TEST(PackedFile, IsRefusedWithALabelOutsideItsClasses) {
  for (const std::int64_t label : {-100L, -1L, 2L, 1L << 40})
    for (const std::size_t image : {0u, 3u, 5u})
      expect_refused(with_label(image, label),
                     "image " + std::to_string(image) + " has label " + std::to_string(label));
}

TEST(PackedFile, IsRefusedWithClassesThatNoModelHas) {
  for (const std::int64_t classes : {std::int64_t{0}, std::int64_t{1} << 40, std::int64_t{-1}})
    expect_refused({.classes = classes, .names = {}}, "its number of classes");
}

TEST(PackedFile, IsRefusedWithOtherNamesThanClasses) {
  expect_refused({.names = {"cat"}}, "1 names of classes for 2 classes");
  expect_refused({.names = {"cat", "dog", "emu"}}, "3 names of classes for 2 classes");
}

TEST(PackedFile, IsRefusedWithAShapeThatNoImageHas) {
  expect_refused({.shape = {4, 3, 0}}, "its number of channels, 0");
  expect_refused({.shape = {4, 3, 2}}, "2 channels, not 1 or 3");
  expect_refused({.shape = {4, 3, 4}}, "its number of channels, 4");
  expect_refused({.shape = {0, std::int64_t{1} << 40, 1}}, "its height, 0");
  expect_refused({.shape = {1, 0, 1}}, "its width, 0");
}

TEST(PackedFile, IsRefusedWithoutTrainingOrTestImages) {
  expect_refused({.train = 0}, "its number of training images, 0");
  expect_refused({.train = 6}, "its number of test images, 0");
}

TEST(PackedFile, IsRefusedWithSumsThatItsPixelsCannotHave) {
  Forgery forgery;
  forgery.change = [](auto& records) { records[2].sums[0] = ~std::uint64_t{0}; };
  expect_refused(forgery, "image 2 has sums");
  forgery.change = [](auto& records) { records[1].squares[1] = 1; };
  expect_refused(forgery, "image 1 has sums");
}

TEST(PackedFile, TakesTheNameOfNoOtherFileWhileItIsWritten) {
  const auto path = testing::TempDir() + "/packed_" + std::to_string(getpid());
  const auto taken = path + ".writing-" + std::to_string(getpid());
  std::ofstream(taken) << "mine";
  EXPECT_THROW(path_of({}), Error);
  EXPECT_EQ(std::filesystem::file_size(taken), 4u);
  std::filesystem::remove(taken);
  std::filesystem::create_symlink("nowhere", taken);
  EXPECT_THROW(path_of({}), Error);
  std::filesystem::remove(taken);
}

TEST(PackedFile, IsNotWrittenWithAClassOfTwoLines) {
  EXPECT_THROW(path_of({.names = {"cat\ndog", "emu"}}), Error);
}

TEST(Packing, WritesNothingIntoItsOwnData) {
  const ScratchFolder folder;
  folder.write("data/train/cat/1.png", "an image");
  const auto data = folder.path() + "/data";
  for (const auto& target : {data + "/new", data + "/train/cat/1.png", data + "/../data/train/new"})
    expect_refused(ExitCode::config, [&] { pack(data, target, {}); },
                   {target, "it lies in the data", "name a file outside of"});
  std::filesystem::create_hard_link(data + "/train/cat/1.png", folder.path() + "/same");
  expect_refused(ExitCode::config, [&] { pack(data + "/train/cat/1.png", folder.path() + "/same", {}); },
                 {"into itself", "name another file"});
}

}  // namespace
}  // namespace lockstep
