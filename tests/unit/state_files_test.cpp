// The files in which a run keeps its state, and how they are read back whatever has happened to them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/folder_lock.hpp"
#include "common/log.hpp"
#include "common/printable.hpp"
#include "common/small_file.hpp"
#include "common/stored_json.hpp"
#include "tests/unit/refusal.hpp"
#include "tests/unit/scratch_folder.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(Printable, LeavesTextAndEscapesWhatTerminalsActOn) {
  EXPECT_EQ(printable("plain, b\xc3\xbcro, \xe7\x8c\xab, \xf0\x9f\x90\x88"),
            "plain, b\xc3\xbcro, \xe7\x8c\xab, \xf0\x9f\x90\x88");
  EXPECT_EQ(printable("\x1b]0;owned\x07\x7f"), R"(\x1b]0;owned\x07\x7f)");
  EXPECT_EQ(printable("a\nb\tc\r"), R"(a\x0ab\x09c\x0d)");
  EXPECT_EQ(printable("a\nb", LineFeeds::kept), "a\nb");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            R"(\xc2\x9b31m)")
      << "a control character of 8 bits";
  EXPECT_EQ(printable("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8"), R"(\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8)");
  EXPECT_EQ(printable("\xff\xc3(\xc0\xaf\xed\xa0\x80\xe7\x8c"), R"(\xff\xc3(\xc0\xaf\xed\xa0\x80\xe7\x8c)")
      << "no UTF-8";
  EXPECT_EQ(printable(std::string("a\0b", 3)), R"(a\x00b)");
}

TEST(Printable, IsWhatErrorsSay) {
  EXPECT_STREQ(Error(ExitCode::config, "a\x1b[31m", "b\nc", "d").what(), R"(a\x1b[31m (b\x0ac) d)");
  EXPECT_STREQ(file_error("cannot read", "x\x07", ENOENT).what(),
               R"(cannot read x\x07 (No such file or directory) check the path)");
}

TEST(StoredJson, IsNoneWhereItNestsDeeply) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(stored_json(nested(100)).is_array());
  for (const auto& text : {nested(101), nested(1000000), std::string("{\"a\":") + nested(1000000) + "}",
                           std::string(), std::string("{\"a\"")})
    EXPECT_TRUE(stored_json(text).is_discarded()) << text.substr(0, 20);
  EXPECT_TRUE(stored_json(json(std::string(1000, '[') + "\"\\").dump()).is_string()) << "brackets in a text";
}

TEST(StoredJson, HasTheTypesOfAPattern) {
  const json pattern = {
      {"count", 0}, {"share", 0.5}, {"name", ""}, {"list", json::array()}, {"in", {{"flag", false}}}};
  for (const auto* text :
       {"{}", R"({"count": -3, "share": 2, "more": null})", R"({"list": [1, "a"], "in": {"flag": true}})"})
    EXPECT_TRUE(has_types_of(json::parse(text), pattern)) << text;
  for (const auto* text : {"[]", "3", R"({"count": 1e300})", R"({"count": 1.0})", R"({"count": null})",
                           R"({"share": "x"})", R"({"name": 5})", R"({"list": [1e300]})", R"({"list": {}})",
                           R"({"in": {"flag": 1}})", R"({"count": 18446744073709551615})"})
    EXPECT_FALSE(has_types_of(json::parse(text), pattern)) << text;
  EXPECT_EQ(whole_number(json::parse(R"({"step": 7})"), "step", -1), 7);
  for (const auto* text : {"null", "[]", R"({"step": null})", R"({"step": 7.0})", R"({"step": "7"})"})
    EXPECT_EQ(whole_number(json::parse(text), "step", -1), -1) << text;
}

TEST(SmallFile, IsARegularFileOfABoundedSize) {
  const ScratchFolder folder;
  const auto path = folder.write("text", "content");
  EXPECT_EQ(read_file(path), "content");
  EXPECT_EQ(read_file(path, 7), "content");
  expect_refused(ExitCode::io, [&] { read_file(path, 6); }, {path, "more than 6 bytes"});
  truncate(path.c_str(), off_t{1} << 40);
  expect_refused(ExitCode::io, [&] { read_file(path); }, {path, "more than"});
  ASSERT_EQ(mkfifo((folder.path() + "/fifo").c_str(), 0600), 0);
  expect_refused(ExitCode::io, [&] { read_file(folder.path() + "/fifo"); }, {"it is a FIFO", "regular file"});
  expect_refused(ExitCode::io, [&] { read_file(folder.path()); }, {"it is a folder"});
  expect_refused(ExitCode::io, [&] { read_file("/dev/null"); }, {"it is a device"});
}

TEST(SmallFile, IsReplacedWithoutFollowingALinkOrFillingAFifo) {
  const ScratchFolder folder;
  const auto victim = folder.write("victim", "mine"), path = folder.path() + "/file",
             beside = path + ".writing";
  fs::create_symlink(victim, beside);
  replace_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(read_file(victim), "mine");
  EXPECT_FALSE(fs::exists(fs::symlink_status(beside)));
  ASSERT_EQ(mkfifo(beside.c_str(), 0600), 0);
  replace_file(path, "newer");
  EXPECT_EQ(read_file(path), "newer");
}

TEST(SmallFile, IsTriedThreeTimesWhereTheTroubleMayPass) {
  int tries = 0;
  const auto failing = [&](int error_number, int times) {
    return [&tries, error_number, times] {
      if (++tries <= times) throw FileError("cannot read", "x", error_number);
      return tries;
    };
  };
  for (const int error_number : {EIO, ESTALE, EINTR}) {
    tries = 0;
    EXPECT_EQ(with_patience(failing(error_number, 1)), 2);
  }
  tries = 0;
  EXPECT_THROW(with_patience(failing(EIO, 3)), FileError);
  EXPECT_EQ(tries, 3);
  tries = 0;
  EXPECT_THROW(with_patience(failing(ENOSPC, 1)), FileError);
  EXPECT_EQ(tries, 1) << "a full disk does not pass by itself";
}

class Lock : public testing::TestWithParam<FolderLock::Way> {
 protected:
  std::unique_ptr<FolderLock> take(const std::string& folder) {
    const std::array ways = {GetParam()};
    return std::make_unique<FolderLock>(folder, ways);
  }
  void expect_in_use() {
    expect_refused(ExitCode::config, [&] { take(folder.path()); },
                   {folder.path(), "is in use", "wait for it to end"});
  }
  ScratchFolder folder;
};

TEST_P(Lock, IsHeldByOneUntilItGoes) {
  auto lock = take(folder.path());
  expect_in_use();
  lock.reset();
  take(folder.path());
  EXPECT_FALSE(fs::exists(folder.path() + "/lock.owner"));
}

TEST_P(Lock, IsFreeWhenItsHolderWasKilled) {
  int told[2];
  ASSERT_EQ(pipe(told), 0);
  const auto child = fork();
  if (child == 0) {
    const auto lock = take(folder.path());
    if (write(told[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(told[0], &byte, 1), 1);
  expect_in_use();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto lock = take(folder.path());
  expect_in_use();
}

TEST_P(Lock, GoesWithAFolderThatIsMovedAndIsOfTheOneThatHasTheNameNow) {
  const auto run = folder.path() + "/run";
  fs::create_directory(run);
  auto lock = take(run);
  fs::rename(run, run + ".1");
  fs::create_directory(run);
  const auto other = take(run);
  EXPECT_THROW(take(run + ".1"), Error);
  lock.reset();
  take(run + ".1");
  EXPECT_THROW(take(run), Error);
}

INSTANTIATE_TEST_SUITE_P(Ways, Lock, testing::ValuesIn(FolderLock::all_ways));

TEST(LockOwner, OnAnotherHostIsNamedWithWhatToRemove) {
  const ScratchFolder folder;
  folder.write("lock.owner", R"({"host": "n7", "boot": "b", "pids": "p", "pid": 812, "start": 5})");
  const std::array ways = {FolderLock::Way::owner};
  const auto take = [&] { FolderLock(folder.path(), ways); };
  expect_refused(
      ExitCode::config, take,
      {"process 812 on n7 holds", "once that process is gone, remove " + folder.path() + "/lock.owner"});
  for (const auto* damaged : {"", "[]", R"({"pid": "x"})"}) {
    folder.write("lock.owner", damaged);
    expect_refused(ExitCode::config, take, {"is in use", "remove " + folder.path() + "/lock.owner"});
  }
}

TEST(LockOwner, OfAnEarlierStartOfTheSameLaunchOrOfAJobThatWasRequeuedHasEnded) {
  const ScratchFolder folder;
  const std::array ways = {FolderLock::Way::owner};
  const std::string elsewhere = R"({"host": "n7", "boot": "b", "pids": "p", "pid": 812, "start": 5, )";
  const auto take_from = [&](const std::string& owner) {
    folder.write("lock.owner", elsewhere + owner + "}");
    FolderLock(folder.path(), ways);
  };
  setenv("LOCKSTEP_LAUNCH", "login:7:99", 1);
  setenv("SLURM_JOB_ID", "17", 1);
  setenv("SLURM_RESTART_COUNT", "1", 1);
  take_from(R"("launch": "login:7:99")");
  take_from(R"("launch": "n3:8:1", "job": "17", "requeues": 0)");
  for (const auto* other : {R"("launch": "n3:8:1", "job": "17", "requeues": 1)", R"("job": "18")"})
    expect_refused(ExitCode::config, [&] { take_from(other); }, {"process 812 on n7 holds"});
  for (const auto* name : {"LOCKSTEP_LAUNCH", "SLURM_JOB_ID", "SLURM_RESTART_COUNT"}) unsetenv(name);
}

TEST(LockOwner, IsTakenAwayByWhoLeavesAtOnce) {
  const ScratchFolder folder;
  const std::array ways = {FolderLock::Way::owner};
  const FolderLock lock(folder.path(), ways);
  EXPECT_TRUE(fs::exists(folder.path() + "/lock.owner"));
  FolderLock::release_before_exit();
  EXPECT_FALSE(fs::exists(folder.path() + "/lock.owner"));
}

TEST(LockFile, ThatIsNoRegularFileIsRefused) {
  const ScratchFolder folder;
  fs::create_symlink("elsewhere", folder.path() + "/lock");
  EXPECT_THROW(FolderLock(folder.path()), Error);
  EXPECT_FALSE(fs::exists(folder.path() + "/elsewhere"));
  fs::remove(folder.path() + "/lock");
  ASSERT_EQ(mkfifo((folder.path() + "/lock").c_str(), 0600), 0);
  expect_refused(ExitCode::io, [&] { FolderLock lock(folder.path()); }, {"it is a FIFO"});
}

}  // namespace
}  // namespace lockstep
