// What must hold for every row of parameters.def.
#include "configs/registry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "configs/rules.hpp"
#include "tests/unit/changed_values.hpp"

namespace lockstep {
namespace {

template <class... Types>
bool holds_one_of(const Value& value) {
  return (std::holds_alternative<Types>(value) || ...);
}

bool is_numeric(const Parameter& row) {
  return holds_one_of<Integer, Real, Integers, Reals, AutoInteger, AutoReal>(row.default_value);
}

TEST(Table, HasRowsInEverySection) {
  ASSERT_FALSE(sections().empty());
  for (const Section& section : sections()) {
    EXPECT_TRUE(std::ranges::any_of(parameters(), [&](const auto& row) {
      return row.section == section.name;
    })) << section.name;
    EXPECT_FALSE(section.what.empty()) << section.name;
  }
}

TEST(Table, KeepsTheRowsOfASectionTogetherInTheOrderOfTheSections) {
  std::vector<std::string> seen;
  for (const Parameter& row : parameters()) {
    if (seen.empty() || seen.back() != row.section) seen.push_back(row.section);
  }
  std::vector<std::string> expected;
  for (const Section& section : sections()) expected.push_back(section.name);
  EXPECT_EQ(seen, expected);
}

TEST(Table, NamesEachRowOnceInSmallLettersDigitsAndUnderlines) {
  const std::regex form("[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*");
  std::set<std::string> names;
  for (const Parameter& row : parameters()) {
    EXPECT_TRUE(names.insert(row.name()).second) << row.name();
    EXPECT_TRUE(std::regex_match(row.name(), form)) << row.name();
  }
}

TEST(Table, HasDefaultsWithinTheirBounds) {
  for (const Parameter& row : parameters()) {
    const auto problem = check_bounds(row, row.default_value);
    EXPECT_FALSE(problem) << problem->text();
  }
}

TEST(Table, HasDefaultsThatBreakNoRule) {
  for (const BrokenRule& rule : broken_rules(Config{})) ADD_FAILURE() << rule.problem.text();
}

TEST(Table, GivesEveryNumberAFiniteRangeAndNothingElseOne) {
  for (const Parameter& row : parameters()) {
    const auto& [low, high] = std::tie(row.bounds.low, row.bounds.high);
    EXPECT_EQ(is_numeric(row), std::isfinite(low) && std::isfinite(high)) << row.name();
    EXPECT_TRUE(!is_numeric(row) || low < high) << row.name();
  }
}

TEST(Table, GivesWholeNumbersLimitsThatADoubleHoldsExactly) {
  constexpr double largest = 9007199254740992;  // 2^53
  for (const Parameter& row : parameters()) {
    if (!holds_one_of<Integer, Integers, AutoInteger>(row.default_value)) continue;
    for (const double limit : {row.bounds.low, row.bounds.high}) {
      EXPECT_EQ(limit, std::floor(limit)) << row.name();
      EXPECT_LE(std::fabs(limit), largest) << row.name();
    }
  }
}

TEST(Table, OffersChoicesAndPlainNamesToTextsOnly) {
  for (const Parameter& row : parameters()) {
    const bool is_text = std::holds_alternative<Text>(row.default_value);
    EXPECT_TRUE(is_text || (row.bounds.choices.empty() && !row.bounds.plain_name)) << row.name();
    EXPECT_TRUE(row.bounds.choices.empty() || !row.bounds.plain_name) << row.name();
  }
}

TEST(Table, OffersEachChoiceOnceAndTheDefaultAmongThem) {
  for (const Parameter& row : parameters()) {
    const auto& choices = row.bounds.choices;
    if (choices.empty()) continue;
    const std::set<std::string> distinct(choices.begin(), choices.end());
    EXPECT_EQ(distinct.size(), choices.size()) << row.name();
    EXPECT_TRUE(distinct.contains(std::get<Text>(row.default_value))) << row.name();
    EXPECT_FALSE(distinct.contains("")) << row.name();
  }
}

TEST(Table, LetsAnEmptyListStandForAutoInListsOnly) {
  for (const Parameter& row : parameters()) {
    const bool is_list = holds_one_of<Integers, Reals>(row.default_value);
    EXPECT_TRUE(is_list || !row.bounds.empty_is_auto) << row.name();
  }
}

TEST(Table, TunesNumbersOnlyAndWithinTheirBounds) {
  for (const Parameter& row : parameters()) {
    const Tuning& tuning = row.tuning;
    if (tuning.scale == Scale::fixed) continue;
    EXPECT_TRUE((holds_one_of<Integer, Real, AutoInteger, AutoReal>(row.default_value))) << row.name();
    EXPECT_LT(tuning.low, tuning.high) << row.name();
    EXPECT_TRUE(tuning.scale == Scale::linear || tuning.low > 0) << row.name();
    for (const double end : {tuning.low, tuning.high}) {
      EXPECT_GE(end, row.bounds.low) << row.name();
      EXPECT_LE(end, row.bounds.high) << row.name();
    }
  }
}

TEST(Table, HasAliasesThatAreUniqueAndNoKeys) {
  std::map<std::string, std::string> meaning;
  for (const Parameter& row : parameters()) {
    for (const std::string& alias : row.aliases) {
      const auto [earlier, is_new] = meaning.emplace(alias, row.name());
      EXPECT_TRUE(is_new) << alias << " stands for " << earlier->second << " and for " << row.name();
      EXPECT_TRUE(std::regex_match(alias, std::regex("[a-z][a-z0-9_]*"))) << alias << " of " << row.name();
      for (const Parameter* other : parameters_named(alias)) {
        ADD_FAILURE() << alias << " of " << row.name() << " is the key " << other->name();
      }
    }
  }
}

TEST(Table, HasTextsThatAreSentencesOfOneLine) {
  for (const Parameter& row : parameters()) {
    for (const std::string& text : {row.what, row.raise, row.lower}) {
      ASSERT_FALSE(text.empty()) << row.name();
      EXPECT_EQ(text.back(), '.') << row.name() << ": " << text;
      EXPECT_EQ(text.find_first_of("\n\t\r"), std::string::npos) << row.name() << ": " << text;
      EXPECT_EQ(text.find("  "), std::string::npos) << row.name() << ": " << text;
    }
    EXPECT_TRUE(std::regex_match(row.since, std::regex("[0-9]+\\.[0-9]+\\.[0-9]+"))) << row.name();
  }
}

TEST(Table, GetsAndSetsTheFieldOfItsOwnRowAlone) {
  for (const Parameter& row : parameters()) {
    for (const Value& value : changed_values(row)) {
      Config config;
      row.set(config, value);
      for (const Parameter& other : parameters()) {
        EXPECT_EQ(other.get(config), &other == &row ? value : other.default_value)
            << row.name() << other.name();
      }
    }
  }
}

TEST(Table, IsFoundByNameAndByKey) {
  for (const Parameter& row : parameters()) {
    EXPECT_EQ(find_parameter(row.section, row.key), &row);
    EXPECT_EQ(parameters_named(row.name()), std::vector<const Parameter*>{&row});
    const auto of_key = parameters_named(row.key);
    EXPECT_TRUE(std::ranges::count(of_key, &row) == 1) << row.name();
    EXPECT_TRUE(std::ranges::all_of(of_key, [&](const auto* found) { return found->key == row.key; }));
  }
  EXPECT_EQ(find_parameter("training", "no_such_key"), nullptr);
  EXPECT_EQ(find_section("no_such_section"), nullptr);
  EXPECT_TRUE(parameters_named("training").empty());
}

Parameter row_with(Value value, Bounds bounds) {
  Parameter row{};
  row.section = "some", row.key = "row", row.default_value = std::move(value), row.bounds = std::move(bounds);
  return row;
}

TEST(Bounds, AreSaidAsTheyAreChecked) {
  EXPECT_EQ(bounds_text(row_with(Integer{1}, {.low = 1, .high = 1048576})), "1 .. 1048576");
  EXPECT_EQ(bounds_text(row_with(Real{1}, {.low = 0, .high = 0.5})), "0 .. 0.5");
  EXPECT_EQ(bounds_text(row_with(Real{1}, {.low = 0, .high = 100, .low_excluded = true})),
            "above 0 up to 100");
  EXPECT_EQ(bounds_text(row_with(Text{"a"}, {.choices = {"a", "b"}})), "a, b");
  EXPECT_EQ(bounds_text(row_with(Flag{}, {})), "");
}

TEST(Bounds, AdmitTheirEndsUnlessExcluded) {
  const auto closed = row_with(Real{1}, {.low = -1, .high = 2});
  EXPECT_FALSE(check_bounds(closed, Real{-1}));
  EXPECT_FALSE(check_bounds(closed, Real{2}));
  EXPECT_TRUE(check_bounds(closed, std::nextafter(2.0, 3.0)));
  EXPECT_TRUE(check_bounds(closed, std::nextafter(-1.0, -2.0)));
  const auto open = row_with(Real{1}, {.low = 0, .high = 1, .low_excluded = true});
  EXPECT_TRUE(check_bounds(open, Real{0}));
  EXPECT_FALSE(check_bounds(open, Real{5e-324}));
}

TEST(Bounds, CompareWholeNumbersWithoutRounding) {
  const auto row = row_with(Integer{0}, {.low = 0, .high = 9007199254740992});
  EXPECT_FALSE(check_bounds(row, Integer{9007199254740992}));
  EXPECT_TRUE(check_bounds(row, Integer{9007199254740993}));  // as a double it equals the limit
}

TEST(Bounds, RefuseWhatIsNotFinite) {
  const auto row = row_with(Real{1}, {.low = 0, .high = 1});
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const auto problem = check_bounds(row, value);
    ASSERT_TRUE(problem);
    EXPECT_NE(problem->problem.find("not finite"), std::string::npos) << problem->text();
  }
}

TEST(Bounds, TellTheScaleOnWhichANumberWasMeant) {
  const auto remedy = [](const std::string& name, const Value& value) {
    const auto problem = check_bounds(*parameters_named(name)[0], value);
    return problem ? problem->suggestion : "";
  };
  EXPECT_EQ(remedy("data.mean", Reals{0.4, 116.28}),
            "it looks like a level of 0 .. 255: divide data.mean and data.std by 255, which gives 0.456");
  EXPECT_EQ(remedy("data.std", Reals{58.395}),
            "it looks like a level of 0 .. 255: divide data.mean and data.std by 255, which gives 0.229");
  EXPECT_EQ(remedy("augmentation.flip_probability", Real{50}),
            "it looks like a percentage: divide it by 100, which gives 0.5");
  EXPECT_EQ(remedy("augmentation.hue", Real{18}),
            "it looks like degrees: divide them by 360, which gives 0.05");
  EXPECT_EQ(remedy("reliability.collective_timeout_seconds", Integer{600000}),
            "it looks like milliseconds: divide them by 1000, which gives 600");
  for (const Parameter& row : parameters()) {  // every parameter that is a share
    if (!std::holds_alternative<Real>(row.default_value) || row.bounds.high > 1 ||
        row.tuning.scale == Scale::logarithmic || row.key == "hue")
      continue;
    EXPECT_EQ(remedy(row.name(), 99 * row.bounds.high).find("it looks like a percentage"), 0u) << row.name();
  }
}

TEST(Bounds, SayTheRangeOfANumberThatFitsNoScale) {
  const auto& mean = *parameters_named("data.mean")[0];
  for (const double value : {-0.5, -123.0, 256.0, 1e9})
    EXPECT_EQ(check_bounds(mean, Reals{value})->suggestion,
              "give a list of numbers or \"auto\" in this range");
  EXPECT_FALSE(check_bounds(mean, Reals{0, 1, 0.485}));
  EXPECT_FALSE(check_bounds(*parameters_named("data.std")[0],
                            Reals{1.0 / 255, 1, 0.001}));  // as caffe's networks have it
}

TEST(Bounds, HoldForEachElementOfAListAndNameTheFirstThatBreaksThem) {
  const auto row = row_with(Reals{}, {.low = 0, .high = 1});
  EXPECT_FALSE(check_bounds(row, Reals{0, 1, 0.5}));
  EXPECT_EQ(check_bounds(row, Reals{0, 1, 1.5, 2})->text(),
            "some.row[2] = 1.5 is out of range (0 .. 1) give a list of numbers in this range");
}

TEST(Bounds, HoldForNumbersThatMayBeAuto) {
  const auto row = row_with(AutoInteger{}, {.low = 1, .high = 8});
  EXPECT_FALSE(check_bounds(row, AutoInteger{}));
  EXPECT_FALSE(check_bounds(row, AutoInteger{8}));
  EXPECT_TRUE(check_bounds(row, AutoInteger{9}));
}

TEST(Bounds, RefuseTextsThatAreNoPlainNames) {
  const auto row = row_with(Text{"run"}, {.plain_name = true});
  for (const char* name : {"a", "9", "my.run_1-b"}) EXPECT_FALSE(check_bounds(row, Text(name))) << name;
  for (const std::string name : {"", ".", "..", "a/b", "-a", "_a", "a b", "\xc3\xbc"})
    EXPECT_TRUE(check_bounds(row, name)) << name;
  EXPECT_FALSE(check_bounds(row, Text(100, 'a')));
  EXPECT_TRUE(check_bounds(row, Text(101, 'a')));
}

TEST(Bounds, RefuseControlCharactersAndWhatIsNotUtf8) {
  const auto row = row_with(Text{}, {});
  EXPECT_FALSE(check_bounds(row, Text("/data/\xc3\xbc")));
  EXPECT_TRUE(check_bounds(row, Text("a\nb")));
  EXPECT_TRUE(check_bounds(row, Text("a\x7f")));
  EXPECT_TRUE(check_bounds(row, Text("a\0b", 3)));
  EXPECT_TRUE(check_bounds(row, Text("\xff")));
}

}  // namespace
}  // namespace lockstep
