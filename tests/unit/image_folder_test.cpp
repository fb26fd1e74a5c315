// What lies in a folder of images and is none.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "configs/config.hpp"
#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/find_data.hpp"

namespace lockstep {
namespace {

struct Folder : ScratchFolder {
  Folder() {
    for (const auto* part : {"train/", "test/"})
      for (const auto* name : {"cat/1.png", "dog/1.png"}) write(std::string(part) + name, "");
  }
  EncodedImages find() const { return find_in_folder(path(), 0, 0); }
};

TEST(FolderOfImages, HasNoClassesThatAreHidden) {
  const Folder folder;
  for (const auto* name : {"train/.ipynb_checkpoints/1.png", "train/.git/a/1.png", "test/@eaDir/1.png",
                           "train/cat/.ipynb_checkpoints/1.png", "train/cat/._1.png", "train/__MACOSX/1.png"})
    folder.write(name, "");
  const auto images = folder.find();
  EXPECT_EQ(images.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(images.count(), 4);
  EXPECT_EQ(images.left_out, (std::vector<std::string>{
                                 "test/@eaDir/", "train/.git/", "train/.ipynb_checkpoints/",
                                 "train/__MACOSX/", "train/cat/._1.png", "train/cat/.ipynb_checkpoints/"}));
}

TEST(FolderOfImages, CountsAFifoAsADamagedImage) {
  const Folder folder;
  ASSERT_EQ(mkfifo((folder.path() + "/train/cat/0.png").c_str(), 0600), 0);
  const auto images = folder.find();
  ASSERT_EQ(images.samples.front().name, "train/cat/0.png");
  Decoder decoder;
  try {
    images.shape_of(0, decoder);
    FAIL() << "it has a shape";
  } catch (const DamagedImage& damage) {
    EXPECT_STREQ(damage.what(), "it is a FIFO, not a regular file");
  }
}

TEST(FolderOfImages, IsNamedWhereALinkOfItEndsNowhere) {
  const Folder folder;
  std::filesystem::create_symlink("nowhere.png", folder.path() + "/train/cat/0.png");
  const auto images = folder.find();
  Decoder decoder;
  expect_refused(ExitCode::io, [&] { images.shape_of(0, decoder); }, {"train/cat/0.png"});
}

TEST(Data, IsRefusedWhereItIsAFifo) {
  const ScratchFolder folder;
  Config::Data settings;
  settings.path = folder.path() + "/fifo";
  ASSERT_EQ(mkfifo(settings.path.c_str(), 0600), 0);
  expect_refused(ExitCode::config, [&] { find_data(settings); }, {settings.path, "FIFO", "data.path"});
}

TEST(Data, IsRefusedWhereItsLinksGoInACircle) {
  const ScratchFolder folder;
  Config::Data settings;
  settings.path = folder.path() + "/a";
  std::filesystem::create_symlink("b", folder.path() + "/a");
  std::filesystem::create_symlink("a", folder.path() + "/b");
  EXPECT_THROW(find_data(settings), Error);
}

}  // namespace
}  // namespace lockstep
