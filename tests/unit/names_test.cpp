// "Did you mean".
#include "configs/names.hpp"

#include <gtest/gtest.h>

#include "configs/registry.hpp"

namespace lockstep {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("", "ab"), 2);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);  // the textbook's example
  EXPECT_EQ(edit_distance("epohcs", "epochs"), 1);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);  // unrestricted: 2; this is optimal string alignment
}

TEST(NearestName, IsTheOneWithTheFewestChangesAndTheFirstOfEquals) {
  EXPECT_EQ(nearest_name("epoch", {"epics", "epochs"}), "epochs");
  EXPECT_EQ(nearest_name("ax", {"ab", "ac"}), "ab");
}

TEST(NearestName, IsNothingWhenMoreThanAThirdWouldChange) {
  EXPECT_EQ(nearest_name("abcdef", {"abcdxy"}), "abcdxy");
  EXPECT_EQ(nearest_name("abcdef", {"abcxyz"}), "");
  EXPECT_EQ(nearest_name("ab", {"ax"}), "ax");
  EXPECT_EQ(nearest_name("ab", {"xy"}), "");
  EXPECT_EQ(nearest_name("epochs", {}), "");
}

TEST(NearestName, ReadsHyphensAsUnderlinesAndCapitalsAsSmallLetters) {
  EXPECT_EQ(nearest_name("Batch-Size", {"batch_size"}), "batch_size");
  EXPECT_EQ(nearest_name("CUDA", {"auto", "cpu", "cuda"}), "cuda");
}

TEST(NearestName, DoesNotLookAtWhatIsTooLongForAName) {
  EXPECT_EQ(nearest_name(std::string(101, 'a'), {std::string(101, 'a')}), "");
}

TEST(SuggestKey, FindsEveryKeyWithTwoOfItsLettersSwapped) {
  for (const Parameter& row : parameters()) {
    if (row.key.size() < 4 || row.key[1] == row.key[2]) continue;
    std::string mistyped = row.key;
    std::swap(mistyped[1], mistyped[2]);
    EXPECT_EQ(suggest_key(row.section, mistyped), "did you mean " + row.name() + "?") << mistyped;
  }
}

TEST(SuggestKey, FindsEveryKeyOfAnotherSectionAndEveryAlias) {
  for (const Parameter& row : parameters()) {
    EXPECT_NE(suggest_key("", row.key).find(row.name()), std::string::npos) << row.name();
    for (const std::string& alias : row.aliases)
      EXPECT_EQ(suggest_key("", alias), "did you mean " + row.name() + "?") << alias;
  }
}

TEST(SuggestKey, PrefersTheSectionThatTheUserIsIn) {
  EXPECT_EQ(suggest_key("model", "nam"), "did you mean model.name?");
  EXPECT_EQ(suggest_key("optimizer", "nam"), "did you mean optimizer.name?");
}

TEST(SuggestKey, NamesAllSectionsThatHaveTheKey) {
  const std::string suggestion = suggest_key("", "name");
  for (const char* name : {"run.name", "model.name", "optimizer.name", "schedule.name"})
    EXPECT_NE(suggestion.find(name), std::string::npos) << suggestion;
}

TEST(SuggestKey, SaysNothingWhenNothingIsNear) { EXPECT_EQ(suggest_key("training", "xyzzy_plugh"), ""); }

}  // namespace
}  // namespace lockstep
