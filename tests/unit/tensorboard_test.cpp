// Names of TensorBoard's event files.
#include "worker/controller/tensorboard.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "tests/unit/scratch_folder.hpp"

namespace lockstep {
namespace {

std::set<std::string> names_in(const ScratchFolder& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.insert(entry.path().filename().string());
  return names;
}

/// The name that a new file gets in a folder with these files.
std::string next_to(const ScratchFolder& folder) {
  const auto before = names_in(folder);
  const EventFile file(folder.path(), 0);
  for (const auto& name : names_in(folder))
    if (!before.contains(name)) return name;
  return "";
}

TEST(EventFile, IsOpenedBesideWhatTensorBoardLeavesThere) {
  const ScratchFolder folder;
  folder.write("plugins/profile/1", "");
  folder.write("events.out.tfevents", "");
  folder.write("zzz", "");
  EXPECT_TRUE(next_to(folder).starts_with("events.out.tfevents.1"));
}

TEST(EventFile, SortsAfterOneThatIsAheadOfTheClock) {
  const ScratchFolder folder;
  folder.write("events.out.tfevents.7999999999.host", "");
  const auto first = next_to(folder), second = next_to(folder);
  EXPECT_TRUE(first.starts_with("events.out.tfevents.8000000000.")) << first;
  EXPECT_TRUE(second.starts_with("events.out.tfevents.8000000001.")) << second;
}

TEST(EventFile, ThatCannotBeWrittenIsAWarning) {
  EventFile file("/dev/null/events", 0);
  file.add_settings(Config{});
  file.add({{"step", 1}, {"loss", 0.5}});
  file.end(1);
}

TEST(EventFile, IsOpenedBesideTimesThatNoClockHas) {
  const ScratchFolder folder;
  for (const auto* stamp : {"9999999999", "99999999999999999999999999", "-5", "9999999998", "12345678901"})
    folder.write("events.out.tfevents." + std::string(stamp) + ".host", "");
  EXPECT_NE(next_to(folder), "");
  EXPECT_NE(next_to(folder), "") << "and again";
}

}  // namespace
}  // namespace lockstep
