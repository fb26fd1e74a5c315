// The templates that are compiled into the program.
#include "configs/templates.hpp"

#include <gtest/gtest.h>

#include "configs/derive.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

Config with_template(const std::string& name) {
  const Override option{kTemplateKey, name};
  return load_defaults(std::span(&option, 1)).config;
}

TEST(Templates, AreTheThreeOfThePlanFromTheShortestToTheLongestRun) {
  EXPECT_EQ(template_names(), (std::vector<std::string>{"fast", "balanced", "high_accuracy"}));
  EXPECT_EQ(with_template("fast").training.epochs, 30);
  EXPECT_EQ(with_template("balanced").training.epochs, 100);
  EXPECT_EQ(with_template("high_accuracy").training.epochs, 200);
}

TEST(Templates, BeginWithTheirSchemaAndNameNoOtherTemplate) {
  for (const Template& named : templates()) {
    EXPECT_TRUE(named.text.starts_with("#:schema ../parameters.schema.json\n# ")) << named.name;
    EXPECT_EQ(named.text.find("\ntemplate"), named.text.npos) << named.name;
  }
}

TEST(Templates, AreValidFilesThatMeanTheSameAsTheirNames) {
  for (const Template& named : templates())
    EXPECT_EQ(load(named.text).config, with_template(named.name)) << named.name;
}

TEST(Templates, LeaveAStepSeveralMicroBatchesForTheRanks) {
  for (const Template& named : templates())
    EXPECT_GE(micro_batches_per_step(with_template(named.name)), 2) << named.name;
}

TEST(Templates, GiveWayToTheFileEvenWhereItSaysTheDefault) {
  const ResolvedConfig resolved = load("template = 'balanced'\n[training]\nepochs = 20\n");
  EXPECT_EQ(resolved.config.training.epochs, 20);
  EXPECT_EQ(resolved.config.optimizer.learning_rate, 5e-4);
  EXPECT_EQ(resolved.origin.at("optimizer.learning_rate"), "template balanced");
  EXPECT_EQ(resolved.origin.at("run.seed"), "default");
}

TEST(Templates, DoNotHealAValueThatIsRefused) {
  EXPECT_EQ(problems("template = 'balanced'\n[training]\nepochs = 0\n"),
            "FILE:3:1: training.epochs = 0 is out of range (1 .. 1000000) give a whole number in this range");
}

TEST(UnknownTemplate, IsAnsweredWithTheNearestOrAll) {
  EXPECT_EQ(
      unknown_template("high-acuracy").text(),
      "unknown template \"high-acuracy\" (the templates are fast, balanced, high_accuracy) did you mean "
      "\"high_accuracy\"?");
  EXPECT_EQ(unknown_template("").suggestion, "choose one of them");
}

}  // namespace
}  // namespace lockstep
