// Whatever is written is read back unchanged.
#include "configs/print.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/unit/changed_values.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

/// The default, each parameter changed alone, and as many as possible changed together.
std::vector<Config> valid_configs() {
  std::vector<Config> configs = {Config{}};
  Config all;
  for (const Parameter& row : parameters()) {
    if (changed_values(row).empty()) continue;
    Config config;
    EXPECT_TRUE(change(config, row)) << "no valid value but the default was found for " << row.name();
    configs.push_back(config);
    change(all, row);
  }
  configs.push_back(all);
  return configs;
}

TEST(Toml, LoadsAgainToTheSameConfiguration) {
  for (const Config& config : valid_configs()) {
    const std::string text = to_toml({config, {}});
    EXPECT_EQ(load(text).config, config) << text;
  }
}

TEST(Toml, OfThousandsOfNumbersInALineLoadsAgain) {
  Config config;
  config.loss.class_weights = "explicit";
  config.loss.class_weight_values.assign(21841, 0.5);
  EXPECT_EQ(load(to_toml({config, {}})).config, config);
}

TEST(Toml, BeginsWithTheVersion) { EXPECT_TRUE(to_toml({}).starts_with("config_version = 2\n\n[")); }

TEST(Toml, SaysWhereEachValueIsFromOnOneLineWhateverTheName) {
  ResolvedConfig resolved;
  resolved.origin["training.epochs"] = "a\nb\xff.toml:1:2";
  const std::string text = to_toml(resolved);
  EXPECT_NE(text.find("\nepochs = 20  # from a?b?.toml:1:2\n"), std::string::npos) << text;
  EXPECT_EQ(load(text).config, Config{});
}

TEST(Json, ReadsBackToTheSameConfigurationWithEveryValueChanged) {
  std::vector<Config> configs = valid_configs();
  Config all;  // whatever the rules between values would say
  for (const Parameter& row : parameters()) {
    for (const Value& value : changed_values(row)) {
      row.set(all, value);
      configs.push_back(all);
    }
  }
  for (const Config& config : configs)
    EXPECT_EQ(config_from_json(to_json(config)), config) << to_json(config);
}

TEST(Json, DiffersWhereverConfigurationsDiffer) {
  std::set<std::string> texts = {to_json(Config{})};
  for (const Parameter& row : parameters()) {
    for (const Value& value : changed_values(row)) {
      Config config;
      row.set(config, value);
      EXPECT_TRUE(texts.insert(to_json(config)).second) << row.name();
    }
  }
}

TEST(Json, HoldsEveryParameterUnderItsSection) {
  const json root = json::parse(to_json(Config{}));
  for (const Parameter& row : parameters()) EXPECT_TRUE(root.at(row.section).contains(row.key)) << row.name();
}

TEST(Json, OfAnotherVersionIsRefused) {
  const json good = json::parse(to_json(Config{}));
  std::vector<json> others;
  others.push_back(good), others.back()["training"].erase("epochs");
  others.push_back(good), others.back().erase("run");
  others.push_back(good), others.back()["training"]["more"] = 1;
  others.push_back(good), others.back()["more"] = json::object();
  others.push_back(good), others.back()["training"]["epochs"] = "20";
  others.push_back(good), others.back()["training"]["epochs"] = 20.5;
  others.push_back(good), others.back()["training"]["epochs"] = 18446744073709551615u;
  others.push_back(good), others.back()["optimizer"]["nesterov"] = 1;
  others.push_back(json::array());
  others.push_back(json(3));
  for (const json& other : others) EXPECT_THROW(config_from_json(other.dump()), ConfigError) << other.dump();
  for (const char* text : {"", "{", "\xff"}) EXPECT_THROW(config_from_json(text), ConfigError) << text;
}

TEST(ResultJson, ChangesExactlyWithTheParametersThatChangeTheResult) {
  for (const Parameter& row : parameters()) {
    for (const Value& value : changed_values(row)) {
      Config config;
      row.set(config, value);
      const bool counts = row.effect == Effect::changes_result;
      EXPECT_EQ(result_json(config) != result_json(Config{}), counts) << row.name();
      EXPECT_EQ(differing_keys(Config{}, config).size(), counts ? 1 : 0) << row.name();
    }
  }
}

TEST(DifferingKeys, ShowBothValues) {
  Config a, b;
  a.training.batch_size = 32;
  b.training.batch_size = 64;
  b.training.micro_batch_size = 8;
  b.run.name = "does-not-count";
  EXPECT_EQ(differing_keys(a, b), (std::vector<std::string>{"training.batch_size: 32 -> 64",
                                                            "training.micro_batch_size: \"auto\" -> 8"}));
}

}  // namespace
}  // namespace lockstep
