// Each rule between values: what breaks it, what just satisfies it, and the remedy that its message names.
#include "configs/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "configs/registry.hpp"
#include "tests/unit/broken_rules.hpp"

namespace lockstep {
namespace {

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
  expect_broken(config, names, "take 20 or \"auto\"");  // 20 and 30 are equally near: the smaller is named
  config.training.micro_batch_size = 64;
  expect_broken(config, names, "take 60 or");
  config.training.batch_size = 140000;
  config.training.micro_batch_size = 65536;
  expect_broken(config, names, "take 35000 or");  // 70000 is nearer, but above the largest micro-batch
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
  expect_kept(config);  // no averaged weights are kept, and nothing watches the metric
  config.training.early_stopping = true;
  expect_broken(config, {"training.early_stopping_metric", "averaging.model_ema"},
                "turn it on, or watch \"loss\"");
  config.averaging.model_ema = true;
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
