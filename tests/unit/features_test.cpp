// The words that switch features off.
#include "configs/features.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "configs/registry.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

TEST(Features, HaveNamesOfTheirOwnAndValuesOfTheTable) {
  std::set<std::string> names, keys;
  for (const Feature& feature : features()) {
    EXPECT_TRUE(names.insert(feature.name).second) << feature.name;
    EXPECT_FALSE(feature.off.empty()) << feature.name;
    for (const Override& off : feature.off) {
      const auto rows = parameters_named(off.key);
      ASSERT_EQ(rows.size(), 1) << off.key;
      EXPECT_EQ(rows[0]->name(), off.key) << "with its section";
      EXPECT_EQ(rows[0]->effect, Effect::changes_result) << off.key;
      EXPECT_TRUE(keys.insert(off.key).second) << off.key << " belongs to two features";
    }
  }
}

TEST(Features, OffTogetherMakeAValidConfiguration) {
  const std::vector<Override> off = switched_off(feature_names());
  const Config config = load_defaults(off).config;
  EXPECT_EQ(config.optimizer.weight_decay, 0);
  EXPECT_EQ(config.precision.mixed_precision, "none");
  EXPECT_FALSE(config.optimizer.nesterov || config.augmentation.enabled || config.averaging.model_ema);
}

TEST(SwitchedOff, TakesListsWithCommasInTheirOrder) {
  std::vector<std::string> origins;
  for (const Override& off : switched_off({"ema,clipping", "flip"})) origins.push_back(off.origin);
  EXPECT_EQ(origins, (std::vector<std::string>{"--without ema", "--without clipping", "--without clipping",
                                               "--without flip"}));
  EXPECT_TRUE(switched_off({}).empty());
}

TEST(SwitchedOff, RefusesEveryUnknownNameInOneGo) {
  try {
    switched_off({"emma,flip", "x\ny", ""});
    ADD_FAILURE();
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
    EXPECT_TRUE(text.starts_with("--without emma,flip: unknown feature \"emma\" (the features are dropout, "))
        << text;
    EXPECT_NE(text.find(") did you mean ema?\n"), text.npos) << text;
    EXPECT_NE(text.find("--without x?y: unknown feature "), text.npos) << text;
  }
}

}  // namespace
}  // namespace lockstep
