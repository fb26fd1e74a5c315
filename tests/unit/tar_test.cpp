// Tar files that are cut short, or several in one.
#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"
#include "worker/data/encoded_images.hpp"

namespace lockstep {
namespace {

constexpr std::size_t block = 512;
const std::vector<std::string> names{"train/cat/1.png", "train/dog/1.png", "test/cat/1.png",
                                     "test/dog/1.png"};

/// A tar file with members of 700 bytes each: a header and two blocks.
std::string tar_of(const std::vector<std::string>& members) {
  std::string bytes(members.size() * 4096 + 20480, '\0');
  std::size_t used = 0;
  auto* tar = archive_write_new();
  archive_write_set_format_ustar(tar);
  archive_write_open_memory(tar, bytes.data(), bytes.size(), &used);
  for (const auto& name : members) {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, 700);
    archive_write_header(tar, entry);
    archive_write_data(tar, std::string(700, 'x').data(), 700);
    archive_entry_free(entry);
  }
  archive_write_close(tar);
  archive_write_free(tar);
  bytes.resize(used);
  return bytes;
}

std::int64_t images_in(const std::string& bytes) {
  const ScratchFolder folder;
  return find_in_tar(folder.write("images.tar", bytes), 0, 0).count();
}

void expect_tar_refused(const std::string& bytes, std::initializer_list<std::string> parts) {
  expect_refused(
      ExitCode::io, [&] { images_in(bytes); }, parts);
}

TEST(Tar, IsReadUpToTheMarkOfItsEnd) {
  const auto whole = tar_of(names);
  EXPECT_EQ(images_in(whole), 4);
  EXPECT_EQ(images_in(whole.substr(0, 14 * block)), 4) << "without padding";
  EXPECT_EQ(images_in(whole.substr(0, 13 * block)), 4) << "with one of the two blocks";
}

TEST(Tar, IsRefusedWhereverItIsCut) {
  const auto whole = tar_of(names);
  for (std::size_t members = 1; members <= 4; ++members) {
    expect_tar_refused(whole.substr(0, members * 3 * block),
                       {"images.tar", "cut short", "last whole member, " + names[members - 1], "again"});
  }
  for (std::size_t size = 13 * block - 1; size > 0; size -= std::min<std::size_t>(size, 100))
    EXPECT_THROW(images_in(whole.substr(0, size)), Error) << size;
}

TEST(Tar, IsRefusedWithASecondOneBehindIt) {
  const auto first = tar_of({names[0], names[1]}), second = tar_of({names[2], names[3]});
  expect_tar_refused(first + second,
                     {"images.tar", "at byte " + std::to_string(first.size()), "second tar", "tar -Af"});
}

TEST(Tar, IsRefusedWithAMemberThatItHoldsTwice) {
  auto twice = names;
  twice.push_back("./" + names[1]);
  expect_tar_refused(tar_of(twice), {"images.tar", names[1] + " twice", "tar -cf"});
}

/// A header block with its checksum, then the content in whole blocks.
std::string member(const std::string& name, char type, const std::string& content) {
  std::string header(block, '\0');
  header.replace(0, name.size(), name).replace(100, 7, "0000644").replace(108, 7, "0000000");
  header.replace(116, 7, "0000000")
      .replace(136, 11, "00000000000")
      .replace(257, 8,
               std::string("ustar\0"
                           "00",
                           8));
  char octal[12];
  std::snprintf(octal, sizeof octal, "%011zo", content.size());
  header.replace(124, 11, octal).replace(148, 8, 8, ' ')[156] = type;
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  header.replace(148, 7, std::string(octal, 7));
  return header + content + std::string((block - content.size() % block) % block, '\0');
}

TEST(Tar, HasNamesBeyondAsciiInPaxHeaders) {
  std::string bytes;
  for (const std::string name : {"train/cat/1.png", "train/\u732b/1.png", "test/cat/1.png"}) {
    const auto length = name.size() + 9;  // "NN path=" and the newline
    bytes += member("header", 'x', std::to_string(length) + " path=" + name + "\n") + member("?", '0', "x");
  }
  bytes += std::string(2 * block, '\0');
  const ScratchFolder folder;
  const auto images = find_in_tar(folder.write("images.tar", bytes), 0, 0);
  EXPECT_EQ(images.classes, (std::vector<std::string>{"cat", "\u732b"}));
}

TEST(Tar, LeavesOutWhatIsHidden) {
  auto more = names;
  for (const auto* name : {"train/.git/1.png", "train/cat/._1.png", "test/@eaDir/1.png"})
    more.push_back(name);
  EXPECT_EQ(images_in(tar_of(more)), 4);
}

}  // namespace
}  // namespace lockstep
