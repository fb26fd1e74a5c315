// Files in a folder of images that are not images.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "configs/config.hpp"
#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"
#include "worker/data/class_notes.hpp"
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

TEST(FolderOfImages, IsRefusedWhereALinkOfItEndsNowhere) {
  for (const std::string name : {"train/cat/0.png", "train/cat/more", "train/owl", "test/cat/a.txt", "val"}) {
    const Folder folder;
    std::filesystem::create_symlink("nowhere", folder.path() + "/" + name);
    expect_refused(ExitCode::io, [&] { folder.find(); },
                   {folder.path() + "/" + name, "a link to nowhere, which is not there", "remove the link"});
  }
}

TEST(FolderOfImages, IsRefusedWhereALinkLeadsBack) {
  for (const auto& [name, target] : {std::pair<std::string, std::string>{"train/cat/all", ".."},
                                     {"train/cat/cat", "."},
                                     {"train/cat/back", "../.."},
                                     {"train/owl", "../train"}}) {
    const Folder folder;
    std::filesystem::create_directory_symlink(target, folder.path() + "/" + name);
    expect_refused(ExitCode::io, [&] { folder.find(); }, {name, "a link leads back", "remove the link"});
  }
  const Folder folder;  // with links to one another
  folder.write("a/1.png", "");
  folder.write("b/1.png", "");
  std::filesystem::create_directory_symlink("../b", folder.path() + "/a/b");
  std::filesystem::create_directory_symlink("../a", folder.path() + "/b/a");
  std::filesystem::create_directory_symlink("../a", folder.path() + "/train/owl");
  expect_refused(ExitCode::io, [&] { folder.find(); }, {"train/owl/b/a", "a link leads back"});
}

TEST(FolderOfImages, MayHaveLinksToFoldersElsewhere) {
  const Folder folder;
  folder.write("owls/1.png", "");
  std::filesystem::create_directory_symlink("../owls", folder.path() + "/train/owl");
  std::filesystem::create_directory_symlink("../../owls", folder.path() + "/train/cat/owls");
  EXPECT_EQ(folder.find().train_count, 4);
}

TEST(FolderOfImages, IsRefusedWhereItHasNotBeenCopiedToItsEnd) {
  for (const std::string name :
       {"train/cat/2.jpg.part", "train/cat/2.crdownload", "test/dog/.1.png.Ab12Cd", "train/cat/.~tmp~/2.png",
        "train/dog/3.png.0a1b2c3d.partial", "test/cat/2.filepart"}) {
    const Folder folder;
    folder.write(name, "");
    const auto named = name.substr(0, name.find("/2.png"));
    expect_refused(ExitCode::io, [&] { folder.find(); },
                   {folder.path() + " has not been copied to its end", named, "finish the copy"});
  }
}

struct Layout : ScratchFolder {
  Layout(std::initializer_list<const char*> names) {
    for (const auto* name : names) write(name, "");
  }
  EncodedImages find() const { return find_in_folder(path(), 0, 0); }
};

TEST(FolderOfImages, IsTestedOnValWhereTestHasNoClasses) {
  for (const auto* test : {"test/1.png", "test/unknown/1.png"}) {
    const Layout folder{"train/cat/1.png", "train/dog/1.png", "val/cat/2.png", "val/dog/2.png", test};
    const auto images = folder.find();
    EXPECT_EQ(images.samples.back().name, "val/dog/2.png");
    ASSERT_EQ(images.notes.size(), 1u);
    EXPECT_NE(images.notes[0].find("test/ of " + folder.path() + " is not used"), std::string::npos);
  }
}

TEST(FolderOfImages, SaysThatValIsNotUsedBesideTest) {
  const Layout folder{"train/cat/1.png", "val/cat/2.png", "test/cat/3.png"};
  const auto images = folder.find();
  EXPECT_EQ(images.samples.back().name, "test/cat/3.png");
  ASSERT_EQ(images.notes.size(), 1u);
  EXPECT_NE(images.notes[0].find("val/ of " + folder.path() + " is not used"), std::string::npos);
}

TEST(FolderOfImages, IsRefusedWhereNoImageOfTheTestSetHasAClass) {
  expect_refused(ExitCode::config,
                 [] {
                   Layout{"train/cat/1.png", "test/1.png"}.find();
                 },
                 {"/test are of no class", "test/CLASS/NAME.jpg"});
  expect_refused(ExitCode::config,
                 [] {
                   Layout{"train/cat/1.png", "test/1.png", "val/1.png"}.find();
                 },
                 {"/val are of no class", "val/CLASS/NAME.jpg"});
}

TEST(ClassNotes, NameTheClassesThatAPartLacks) {
  std::vector<ImageRecord> train(3), test(2);
  train[1].label = 1, train[2].label = 3;
  test[1].label = 3;
  const std::vector<std::string> names{"ant", "bee", "cat", "dog"};
  EXPECT_EQ(notes_on_classes(train, test, 4, names, 0, 0),
            (std::vector<std::string>{
                "1 of 4 classes have no training image: cat (they cannot be learned)",
                "2 of 4 classes have no test image: bee, cat (the accuracy says nothing of them)"}));
  EXPECT_EQ(notes_on_classes(train, test, 4, {}, 0, 0).back(),
            "2 of 4 classes have no test image: 1, 2 (the accuracy says nothing of them)");
  EXPECT_TRUE(notes_on_classes(train, test, 4, names, 3, 2).empty()) << "a part was asked for";
}

std::string cifar_file(std::size_t records) { return std::string(records * 3073, '\0'); }

TEST(Cifar, NamesAFileThatMayHaveBeenCutWhereARecordEnds) {
  const ScratchFolder folder;
  for (const char number : {'1', '2', '3', '4', '5'})
    folder.write(std::string("data_batch_") + number + ".bin", cifar_file(number == '3' ? 2 : 4));
  folder.write("test_batch.bin", cifar_file(1));
  const auto images = find_cifar(folder.path(), 0, 0);
  EXPECT_EQ(images.train_count, 18);
  ASSERT_EQ(images.notes.size(), 1u);
  EXPECT_NE(images.notes[0].find("data_batch_3.bin has fewer images"), std::string::npos);
}

TEST(Data, IsRefusedWhereItIsAFifo) {
  const ScratchFolder folder;
  Config::Data settings;
  settings.path = folder.path() + "/fifo";
  ASSERT_EQ(mkfifo(settings.path.c_str(), 0600), 0);
  expect_refused(ExitCode::config, [&] { find_data(settings); }, {settings.path, "FIFO", "data.path"});
}

TEST(Data, IsRefusedForWantOfOpenFilesAndNotAsAFormat) {
  const ScratchFolder folder;
  Config::Data settings;
  settings.path = folder.write("images.tar", std::string(1024, '\0'));
  rlimit limit{}, none{0, 0};
  getrlimit(RLIMIT_NOFILE, &limit);
  none.rlim_max = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &none);
  expect_refused(ExitCode::io, [&] { find_data(settings); },
                 {settings.path, "Too many open files", "ulimit -n"});
  setrlimit(RLIMIT_NOFILE, &limit);
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
