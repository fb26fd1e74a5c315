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

TEST(Rules, PrometheusIsReadAtAnAddress) {
  Config config;
  config.run.prometheus_address = "localhost";
  expect_kept(config);
  config.run.prometheus_port = 9464;
  expect_broken(config, {"run.prometheus_address", "run.prometheus_port"}, "write \"127.0.0.1\"");
  for (const char* address : {"0.0.0.0", "::", "::1", "10.1.2.3", "fe80::1"}) {
    config.run.prometheus_address = address;
    expect_kept(config);
  }
}

TEST(Rules, NesterovNeedsMomentum) {
  Config config;
  config.optimizer.name = "sgd";
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

TEST(Rules, GradientsAreClippedOneWay) {
  Config config;
  config.training.gradient_clip_norm = 1;
  expect_kept(config);
  config.training.gradient_clip_value = 0.5;
  expect_broken(config, {"training.gradient_clip_norm", "training.gradient_clip_value"}, "keep one");
  config.training.gradient_clip_norm = 0;
  expect_kept(config);
}

TEST(Rules, TheAverageIsWatchedOnlyWhereItIsKept) {
  Config config;
  config.training.early_stopping_metric = "ema_loss";
  expect_kept(config);  // nothing watches it
  config.training.early_stopping = true;
  expect_broken(config, {"training.early_stopping_metric", "averaging.model_ema"},
                "turn it on, or watch \"loss\"");
  config.averaging.model_ema = true;
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
  expect_kept(config);  // the first alone must be reached
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
  config.optimizer.lr_scaling = "linear";  // to an eighth, as a batch of 32 is of 256
  expect_broken(config,
                {"schedule.min_lr", "optimizer.learning_rate", "optimizer.lr_scaling", "schedule.name"},
                "lower min_lr");
  config.training.batch_size = 256;
  expect_kept(config);
}

TEST(Rules, NumberFormatsAgree) {
  Config config;
  config.precision.loss_scale = "1024";
  expect_broken(config, {"precision.loss_scale", "precision.mixed_precision"},
                "set mixed_precision = \"fp16\"");
  config.precision.mixed_precision = "fp16";
  expect_kept(config);
  config.quantization.quantization_aware = true;
  expect_broken(config, {"quantization.quantization_aware", "precision.mixed_precision"},
                "set mixed_precision = \"none\"");
  config.precision = {};
  expect_kept(config);
}

TEST(Rules, ImagesAreCroppedOnceAndGetOneRandomPolicy) {
  Config config;
  config.augmentation.trivial_augment = config.augmentation.random_resized_crop = true;
  expect_kept(config);
  config.augmentation.crop_padding = 1;
  expect_broken(config, {"augmentation.random_resized_crop", "augmentation.crop_padding"},
                "set crop_padding = 0");
  config.augmentation.random_resized_crop = false;
  config.augmentation.rand_augment = true;
  expect_broken(config, {"augmentation.rand_augment", "augmentation.trivial_augment"}, "turn one off");
}

TEST(Rules, CopiesOfASampleStayInABatch) {
  Config config;
  config.augmentation.repeated_augmentation = 4;
  expect_kept(config);
  config.training.batch_size = 30;
  expect_broken(config, {"augmentation.repeated_augmentation", "training.batch_size"}, "take 3");
}

TEST(Rules, ClassesAreWeighedByNumbersExactlyWhereTheyAreGiven) {
  const std::vector<std::string> names = {"loss.class_weights", "loss.class_weight_values"};
  Config config;
  config.loss.class_weights = "explicit";
  expect_broken(config, names, "one number for each class");
  config.loss.class_weight_values = {0, 0};
  expect_broken(config, names, "a number above 0");
  config.loss.class_weight_values = {0, 1};
  expect_kept(config);
  config.loss.class_weights = "inverse_sqrt";
  expect_broken(config, names, "set class_weights = \"explicit\"");
}

TEST(Rules, SophiaNeedsASoftmaxAndTheRangeOfFloat32) {
  Config config;
  config.optimizer.name = "sophia";
  expect_kept(config);
  config.precision.mixed_precision = "fp16";
  expect_broken(config, {"optimizer.name", "precision.mixed_precision"}, "\"bf16\" or \"none\"");
  config.precision.mixed_precision = "bf16";
  expect_kept(config);
  config.loss.name = "focal";
  expect_broken(config, {"optimizer.name", "loss.name"}, "cross_entropy");
}

TEST(Rules, SettingsOfAModelAreForModelsThatHaveThem) {
  Config config;
  config.model.drop_path = 0.1;
  for (const char* name : {"resnet18", "convnext_tiny", "vit_tiny"}) {
    config.model.name = name;
    expect_kept(config);
  }
  config.model.name = "small_cnn";
  expect_broken(config, {"model.drop_path", "model.name"}, "set drop_path = 0");
  config.model.drop_path = 0;
  config.model.zero_init_residual = true;
  expect_broken(config, {"model.zero_init_residual", "model.name"}, "set zero_init_residual = false");
  config.model.name = "wide_resnet50_2";
  expect_kept(config);
  config.model.patch_size = 2;
  expect_broken(config, {"model.patch_size", "model.name"}, "leave it out");
  config.model = {};
  config.model.name = "convnext_tiny";
  config.model.patch_size = 2;
  expect_kept(config);
}

}  // namespace
}  // namespace lockstep
