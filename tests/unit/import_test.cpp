// Hyper-parameters in JSON become the configuration that they mean, or are refused with all that is wrong.
#include "configs/import.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "configs/print.hpp"
#include "tests/unit/changed_values.hpp"
#include "tests/unit/config_file.hpp"
#include "tests/unit/imported.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

TEST(Import, ReadsTheFlatForm) {
  const Config config =
      imported(R"({"learning_rate": 0.0005, "batch_size": 64, "epochs": 100, "warmup_ratio": 0.1,
                                     "label_smoothing": 0.1, "model_ema": true, "model_ema_decay": 0.9999})");
  Config expected;
  expected.optimizer.learning_rate = 0.0005;
  expected.training.batch_size = 64;
  expected.training.epochs = 100;
  expected.schedule.warmup_ratio = 0.1;
  expected.loss.label_smoothing = 0.1;
  expected.averaging.model_ema = true;
  expected.averaging.model_ema_decay = 0.9999;
  EXPECT_EQ(config, expected);
}

TEST(Import, ReadsTheNestedForm) {
  const Config config = imported(R"({"hyperparameters": {
      "optimizer_advanced": {"adam": {"beta1": 0.85, "beta2": 0.99, "eps": 1e-7},
                             "sgd": {"momentum": 0.8, "nesterov": false}},
      "learning_rate_advanced": {"warmup_ratio": 0.2, "min_lr": 1e-5, "warmup_method": "linear"}}})");
  Config expected;
  expected.optimizer.beta1 = 0.85;
  expected.optimizer.beta2 = 0.99;
  expected.optimizer.eps = 1e-7;
  expected.optimizer.momentum = 0.8;
  expected.optimizer.nesterov = false;
  expected.schedule.warmup_ratio = 0.2;
  expected.schedule.min_lr = 1e-5;
  EXPECT_EQ(config, expected);
}

TEST(Import, ReadsSectionsOfTheTable) {
  EXPECT_EQ(imported(R"({"model": {"name": "mlp"}, "run": {"name": "x"}})").model.name, "mlp");
}

TEST(Import, OfWhatRank0BroadcastsIsThatConfiguration) {
  EXPECT_EQ(imported(to_json(Config{})), Config{});
  for (const Parameter& row : parameters()) {
    Config config;
    change(config, row);
    EXPECT_EQ(imported(to_json(config)), config) << row.name();
  }
}

TEST(Import, UnderstandsEveryAliasAndNotesIt) {
  for (const Parameter& row : parameters()) {
    Config config;
    if (!change(config, row)) continue;
    json root = json::parse(to_json(config));
    const json value = root[row.section][row.key];
    root[row.section].erase(row.key);
    for (const std::string& alias : row.aliases) {
      json renamed = root;
      renamed[row.section][alias] = value;
      const Import result = read(renamed.dump());
      EXPECT_EQ(load(result.toml).config, config) << alias;
      const std::string note = row.section + "." + alias + " is " + row.name() + " here";
      EXPECT_EQ(std::ranges::count(result.notes, note), 1) << note;
      EXPECT_TRUE(contains(result.toml, "  # from " + row.section + "." + alias + "\n")) << result.toml;
    }
  }
}

TEST(Import, OfNothingIsTheDefaultsAllAsComments) {
  const Import result = read("{}");
  const ResolvedConfig resolved = load(result.toml);
  EXPECT_EQ(resolved.config, Config{});
  for (const Parameter& row : parameters()) {
    EXPECT_EQ(resolved.origin.at(row.name()), "default") << row.name();
    EXPECT_TRUE(contains(result.toml, "\n# " + row.key + " = ")) << row.name();
  }
  EXPECT_TRUE(result.notes.empty());
}

TEST(Import, LeavesNullAtItsDefault) { EXPECT_EQ(imported(R"({"max_steps": null, "lr": null})"), Config{}); }

TEST(Import, TakesWholeNumbersThatAreWrittenWithAPoint) {
  EXPECT_EQ(imported(R"({"epochs": 30.0, "micro_batch_size": 8.0})").training.epochs, 30);
  EXPECT_TRUE(contains(refusal(R"({"epochs": 30.5})"), "epochs: training.epochs = 30.5 has the wrong type"));
}

TEST(Import, RefusesValuesOfAnotherTypeWithTheirKeyAndNothingElse) {
  const std::vector<std::string> values = {"true", "0.5", "-3",    "1e300",   "\"x\"",
                                           "[]",   "[1]", "[[1]]", "[\"x\"]", "18446744073709551615"};
  for (const Parameter& row : parameters()) {
    for (const auto& value : values) {
      const ConfigFile file("{\"" + row.section + "\": {\"" + row.key + "\": " + value + "}}");
      try {
        load(import_json(file.path(), false).toml);
      } catch (const ConfigError& error) {
        EXPECT_TRUE(contains(error.what(), row.key)) << error.what();
      }
    }
  }
}

TEST(Import, NamesEveryKeyWithoutCounterpart) {
  EXPECT_EQ(
      refusal(
          R"({"xyzzy_a": 1, "epohcs": 2, "hyperparameters": {"xyzzy_b": [1]}, "plugh": {"epochs": 3, "x": {}},
                       "optimizer": {"epochs": 4}, "trainig": {"epochs": 5}})"),
      "epohcs: has no counterpart (the table has no such key) did you mean training.epochs?\n"
      "hyperparameters.xyzzy_b: has no counterpart (the table has no such key) leave it out with "
      "--skip-unknown\n"
      "optimizer.epochs: has no counterpart ([optimizer] has no such key) did you mean training.epochs?\n"
      "plugh.epochs: has no counterpart (there is no section or group plugh) leave it out with "
      "--skip-unknown\n"
      "plugh.x: has no counterpart (there is no section or group plugh) leave it out with --skip-unknown\n"
      "trainig.epochs: has no counterpart (there is no section or group trainig) did you mean training?\n"
      "xyzzy_a: has no counterpart (the table has no such key) leave it out with --skip-unknown");
}

TEST(Import, SkipsUnknownKeysWhenAskedAndSaysSo) {
  const Import result = read(R"({"xyzzy": {"a": 1}, "plugh": "a\nb", "epochs": 3})", true);
  EXPECT_EQ(load(result.toml).config.training.epochs, 3);
  EXPECT_EQ(result.notes, (std::vector<std::string>{"plugh has no counterpart and was skipped",
                                                    "xyzzy.a has no counterpart and was skipped"}));
  EXPECT_TRUE(contains(result.toml, "# Skipped: plugh = \"a\\nb\"\n# Skipped: xyzzy.a = 1\n")) << result.toml;
}

TEST(Import, StillRefusesWrongValuesWhenUnknownKeysAreSkipped) {
  EXPECT_TRUE(
      contains(refusal(R"({"xyzzy": 1, "epochs": 0})", true), "epochs: training.epochs = 0 is out of range"));
}

TEST(Import, ReportsUnknownKeysWrongValuesAndBrokenRulesTogether) {
  const std::string text = refusal(R"({"xyzzy": 1, "epochs": "3", "warmup_steps": 10, "warmup_ratio": 0.1})");
  EXPECT_TRUE(contains(text, "xyzzy: has no counterpart"));
  EXPECT_TRUE(contains(text, "epochs: training.epochs = '3' has the wrong type"));
  EXPECT_TRUE(contains(text, "warmup_steps: the warm-up is given more than once"));
}

TEST(Import, RefusesAKeyOfSeveralSections) {
  EXPECT_TRUE(contains(refusal(R"({"name": "x"})"), "name: is the key of several sections"));
}

TEST(Import, RefusesTwoValuesForOneParameterButNotOneTwice) {
  EXPECT_EQ(
      refusal(R"({"epochs": 3, "hyperparameters": {"num_epochs": 4}})"),
      "hyperparameters.num_epochs: differs from epochs (both are training.epochs here) keep one of them");
  EXPECT_EQ(imported(R"({"epochs": 3, "num_epochs": 3})").training.epochs, 3);
  EXPECT_TRUE(contains(refusal(R"({"epochs": 3, "epochs": 4})"), "epochs: given twice"));
  EXPECT_TRUE(contains(refusal(R"({"model": {"name": "mlp", "name": "mlp"}})"), "name: given twice"));
}

TEST(Import, RefusesWhatIsNoObjectOfJson) {
  EXPECT_TRUE(contains(refusal("[1]"), "not an object of JSON"));
  EXPECT_TRUE(contains(refusal(""), "not valid JSON (parse error at line 1, column 1"));
  EXPECT_TRUE(contains(refusal("{\"epochs\": 3,\n}"), "not valid JSON (parse error at line 2, column 1"));
  EXPECT_TRUE(contains(refusal("{\"name\": \"\xff\"}"), "not valid JSON"));
  EXPECT_TRUE(contains(refusal("[training]\nepochs = 3\n"), "not valid JSON"));
  EXPECT_THROW(import_json("/no/such/file.json", false), ConfigError);
  EXPECT_THROW(import_json("/", false), ConfigError);
}

TEST(Import, AnswersToAnyDepth) {
  const auto nest = [](const std::string& key, int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "{\"" + key + "\": ";
    return text + "1" + std::string(depth, '}');
  };
  EXPECT_TRUE(contains(refusal(nest("adam", 30)), "adam.adam: has no counterpart"));
  EXPECT_EQ(refusal(nest("adam", 20000)), "nested more than 32 deep (no group is) check the path");
  EXPECT_EQ(refusal(nest("x", 20000)), "nested more than 32 deep (no group is) check the path");
  const std::string list = "{\"epochs\": " + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_EQ(refusal(list), "nested more than 32 deep (no group is) check the path");
}

TEST(Import, KeepsToOneLineForEachProblemAndComment) {
  EXPECT_FALSE(contains(refusal(R"({"a\nb": 1})"), "\n"));
  EXPECT_EQ(load(read(R"({"a\nepochs = 3\n": 1})", true).toml).config, Config{});
}

}  // namespace
}  // namespace lockstep
