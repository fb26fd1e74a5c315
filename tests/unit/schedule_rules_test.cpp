// The rules on learning rates over the run, tested in the same way as in rules_test.cpp.
#include <gtest/gtest.h>

#include "configs/rules.hpp"
#include "tests/unit/broken_rules.hpp"

namespace lockstep {
namespace {

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
    expect_broken(config,
                  {"schedule.min_lr", "optimizer.learning_rate", "optimizer.lr_scaling", "schedule.name"},
                  "lower min_lr");
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

TEST(Rules, MilestonesRiseAndAreReached) {
  const std::vector<std::string> names = {"schedule.milestones", "schedule.name", "training.epochs"};
  Config config;
  config.schedule.milestones = {5, 5};
  expect_kept(config);  // cosine does not read them
  config.schedule.name = "multistep";
  expect_broken(config, names, "do not rise");
  config.schedule.milestones = {19, 30};
  expect_kept(config);  // only the first one must be reached
  config.training.epochs = 19;
  expect_broken(config, names, "are never reached (training.epochs = 19");
  config.training.epochs = 1;
  config.schedule.milestones = {};
  expect_broken(config, names, "milestones = [1]");
}

TEST(Rules, TheCoolDownLeavesTimeToAScheduleThatEnds) {
  const std::vector<std::string> names = {"schedule.cooldown_epochs", "schedule.name", "training.epochs",
                                          "schedule.warmup_epochs"};
  Config config;
  config.schedule.warmup_epochs = 5;
  config.schedule.cooldown_epochs = 14;
  for (const char* name : {"cosine", "step", "exponential", "polynomial", "cosine_restarts"}) {
    config.schedule.name = name;
    expect_kept(config);
  }
  config.schedule.cooldown_epochs = 15;
  expect_broken(config, names, "shorten the cool-down");
  config.schedule.warmup_epochs = 0;
  for (const char* name : {"constant", "onecycle", "plateau"}) {
    config.schedule.name = name;
    expect_broken(config, names, "set cooldown_epochs = 0");
  }
}

TEST(Rules, OneCycleHasAWarmUpOfItsOwn) {
  const std::vector<std::string> names = {"schedule.name", "schedule.warmup_steps", "schedule.warmup_ratio",
                                          "schedule.warmup_epochs"};
  Config config;
  config.schedule.name = "onecycle";
  expect_kept(config);
  Config steps = config, ratio = config, epochs = config;
  steps.schedule.warmup_steps = 1;
  ratio.schedule.warmup_ratio = 0.1;
  epochs.schedule.warmup_epochs = 1;
  for (const Config& warming : {steps, ratio, epochs}) expect_broken(warming, names, "onecycle_rise");
}

TEST(Rules, TheMeanOfWeightsBeginsWithinTheRun) {
  Config config;
  config.averaging.swa_start_epoch = 20;
  expect_kept(config);
  config.averaging.use_swa = true;
  expect_broken(config, {"averaging.swa_start_epoch", "training.epochs", "averaging.use_swa"},
                "or write \"auto\"");
  config.averaging.swa_start_epoch = 19;
  expect_kept(config);
}

TEST(Rules, TheEndOfARunHasOneLearningRate) {
  Config config;
  config.averaging.swa_lr = 0.01;
  config.schedule.cooldown_epochs = 2;
  expect_kept(config);
  config.averaging.use_swa = true;
  expect_broken(config, {"averaging.swa_lr", "schedule.cooldown_epochs", "averaging.use_swa"},
                "cooldown_epochs = 0");
  config.averaging.swa_lr.reset();
  expect_kept(config);
}

TEST(Rules, TheLowestRateIsComparedWithTheScaledOne) {
  Config config;
  config.schedule.min_lr = 0.001;
  config.optimizer.learning_rate = 0.002;
  config.optimizer.lr_scaling = "linear";  // scales to an eighth, as 32 is an eighth of 256
  expect_broken(config,
                {"schedule.min_lr", "optimizer.learning_rate", "optimizer.lr_scaling", "schedule.name"},
                "lower min_lr");
  config.training.batch_size = 256;
  expect_kept(config);
}

}  // namespace
}  // namespace lockstep
