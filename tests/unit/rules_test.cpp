// Each rule between values: what breaks it, what only just keeps it, and the remedy it names.
#include "configs/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "configs/registry.hpp"

namespace lockstep {
namespace {

std::string said(const Config& config) {
  std::string text;
  for (const BrokenRule& rule : broken_rules(config)) text += rule.problem.text() + "\n";
  return text;
}

/// The one rule that is broken.
BrokenRule only_broken_rule(const Config& config) {
  const std::vector<BrokenRule> broken = broken_rules(config);
  EXPECT_EQ(broken.size(), 1) << said(config);
  return broken.empty() ? BrokenRule{} : broken[0];
}

void expect_broken(const Config& config, const std::vector<std::string>& names, const std::string& remedy) {
  const BrokenRule rule = only_broken_rule(config);
  EXPECT_EQ(rule.names, names);
  EXPECT_NE(rule.problem.text().find(remedy), std::string::npos) << rule.problem.text();
}

void expect_kept(const Config& config) { EXPECT_EQ(said(config), ""); }

TEST(Rules, AreKeptByTheDefaults) { expect_kept({}); }

TEST(Rules, AreSentencesOnParametersOfTheTable) {
  for (const Rule& rule : rules()) {
    EXPECT_TRUE(rule.says.ends_with(".")) << rule.says;
    EXPECT_GE(rule.names.size(), 2) << rule.says;
    for (const std::string& name : rule.names) {
      const auto rows = parameters_named(name);
      ASSERT_EQ(rows.size(), 1) << name;
      EXPECT_EQ(rows[0]->name(), name) << "with its section";
      EXPECT_NE(rule.says.find(rows[0]->key), std::string::npos) << name << " is not in: " << rule.says;
      EXPECT_EQ(std::ranges::count(rules_on(*rows[0]), &rule), 1) << name;
    }
  }
}

TEST(Rules, MicroBatchesDivideTheBatch) {
  const std::vector<std::string> names = {"training.micro_batch_size", "training.batch_size"};
  Config config;
  config.training.batch_size = 60;
  config.training.micro_batch_size = 30;
  expect_kept(config);
  config.training.micro_batch_size = 25;
  expect_broken(config, names, "take 20 or \"auto\"");  // 20 and 30 are equally near: the smaller
  config.training.micro_batch_size = 64;
  expect_broken(config, names, "take 60 or");
  config.training.batch_size = 140000;
  config.training.micro_batch_size = 65536;
  expect_broken(config, names, "take 35000 or");  // 70000 is nearer and above what a micro-batch may be
}

TEST(Rules, TheTrainingSetHoldsAStep) {
  const std::vector<std::string> names = {"data.train_samples", "training.batch_size",
                                          "training.gradient_accumulation_steps"};
  Config config;
  config.training.gradient_accumulation_steps = 2;
  config.data.train_samples = 64;
  expect_kept(config);
  config.data.train_samples = 63;
  expect_broken(config, names, "take more samples or a smaller batch");
}

TEST(Rules, TheWarmUpIsGivenOnce) {
  const std::vector<std::string> names = {"schedule.warmup_steps", "schedule.warmup_ratio",
                                          "schedule.warmup_epochs"};
  Config config;
  config.schedule.warmup_steps = 100;
  expect_kept(config);
  config.schedule.warmup_ratio = 0.1;
  expect_broken(config, names, "keep one and set the others to 0");
  config.schedule.warmup_epochs = 1;
  expect_broken(config, names, "keep one");
  config.schedule.warmup_steps = 0;
  expect_broken(config, names, "given are schedule.warmup_ratio and schedule.warmup_epochs");
}

TEST(Rules, TheWarmUpIsNotLongerThanTheRun) {
  Config config;
  config.training.epochs = 5;
  config.schedule.warmup_epochs = 5;
  expect_kept(config);
  config.schedule.warmup_epochs = 6;
  expect_broken(config, {"schedule.warmup_epochs", "training.epochs"}, "shorten the warm-up");
}

TEST(Rules, TheScheduleEndsBelowTheLearningRate) {
  Config config;
  config.schedule.min_lr = config.optimizer.learning_rate = 0.01;
  for (const char* name : {"cosine", "step", "constant"}) {
    config.schedule.name = name;
    expect_kept(config);
  }
  config.schedule.min_lr = 0.011;
  expect_kept(config);  // constant does not read min_lr
  for (const char* name : {"cosine", "step"}) {
    config.schedule.name = name;
    expect_broken(config, {"schedule.min_lr", "optimizer.learning_rate", "schedule.name"}, "lower min_lr");
  }
}

TEST(Rules, TheStepScheduleReachesItsFirstStep) {
  Config config;
  config.schedule.name = "step";
  config.training.epochs = 5;
  config.schedule.step_epochs = 4;
  expect_kept(config);
  config.schedule.step_epochs = 5;
  expect_broken(config, {"schedule.step_epochs", "schedule.name", "training.epochs"}, "lower step_epochs");
  config.schedule.name = "cosine";
  expect_kept(config);
}

TEST(Rules, NesterovNeedsMomentum) {
  Config config;
  config.optimizer.momentum = 0;
  expect_broken(config, {"optimizer.nesterov", "optimizer.momentum", "optimizer.name"},
                "set nesterov = false or momentum = 0.9");
  config.optimizer.name = "adamw";
  expect_kept(config);
  config.optimizer.name = "sgd";
  config.optimizer.nesterov = false;
  expect_kept(config);
}

TEST(Rules, TheMlpHasAHiddenLayer) {
  Config config;
  config.model.hidden_sizes = {};
  expect_kept(config);
  config.model.name = "mlp";
  expect_broken(config, {"model.hidden_sizes", "model.name"}, "hidden_sizes = [256]");
}

TEST(Rules, MeanAndStdHaveOneNumberPerChannelEach) {
  Config config;
  config.data.mean = {0.5, 0.5, 0.5};
  expect_broken(config, {"data.mean", "data.std"}, "or \"auto\" in both");
  config.data.std = {0.5};
  expect_broken(config, {"data.mean", "data.std"}, "one number per channel in both");
  config.data.std = {0.5, 0.5, 0.5};
  expect_kept(config);
}

}  // namespace
}  // namespace lockstep
