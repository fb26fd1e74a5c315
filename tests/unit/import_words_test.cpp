// Keys and words of other programs, and their counterparts here.
#include <gtest/gtest.h>

#include <algorithm>

#include "configs/import.hpp"
#include "tests/unit/config_file.hpp"
#include "tests/unit/imported.hpp"

namespace lockstep {
namespace {

TEST(Import, TakesNoSwitchForAPath) {
  EXPECT_TRUE(contains(refusal(R"({"pretrained": true})"), "model.pretrained is a path here"));
  EXPECT_TRUE(contains(refusal(R"({"data": {"path": 7}})"), "data.path is a path here"));
  EXPECT_TRUE(contains(refusal(R"({"teacher": ["a"]})"), "distillation.teacher is a path here"));
  const Import result = read(R"({"pretrained": false})");
  EXPECT_EQ(load(result.toml).config, Config{});
  EXPECT_EQ(std::ranges::count(result.notes, "pretrained = false is the default of model.pretrained here"),
            1);
}

TEST(Import, KnowsTheKeysOfOtherPrograms) {
  EXPECT_EQ(imported(R"({"clip_grad": 2.0})").training.gradient_clip_norm, 2.0);
  EXPECT_EQ(imported(R"({"training": {"gradient_clip": 0.5}})").training.gradient_clip_norm, 0.5);
  EXPECT_EQ(imported(R"({"clip_grad": null})"), Config{});
  EXPECT_EQ(imported(R"({"sched": "cosine"})").schedule.name, "cosine");
  EXPECT_TRUE(contains(refusal(R"({"cutmix": 1.0})"), "give augmentation.cutmix_prob, how often"));
  EXPECT_TRUE(
      contains(refusal(R"({"augmentation": true})"), "give an object with the keys of [augmentation]"));
}

/// Part of what timm's train.py writes to args.yaml, as JSON; most of it is switched off.
constexpr const char* timm_arguments = R"({"aa": null, "amp": true, "batch_size": 128, "bce_loss": false,
    "checkpoint_hist": 10, "clip_grad": null, "cooldown_epochs": 0, "decay_epochs": 90, "decay_rate": 0.1, "drop": 0.0,
    "drop_path": 0.1, "epochs": 300, "grad_accum_steps": 1, "hflip": 0.5, "lr": 0.005, "lr_cycle_mul": 1.0, "min_lr": 0,
    "mixup": 0.0, "cutmix": 0.0, "model": "resnet50", "model_ema": false, "model_ema_decay": 0.9998, "momentum": 0.9,
    "no_aug": false, "opt": "lamb", "opt_betas": null, "opt_eps": null, "reprob": 0.0, "sched": "cosine", "seed": 42,
    "smoothing": 0.0, "warmup_epochs": 5, "weight_decay": 0.02, "workers": 4})";

TEST(Import, ReadsTheArgumentsOfTimm) {
  Config expected;
  expected.run.seed = 42;
  expected.training.batch_size = 128;
  expected.training.epochs = 300;
  expected.checkpoint.keep = 10;
  expected.schedule.step_epochs = 90;
  expected.schedule.restart_factor = 1;
  expected.schedule.min_lr = 0;
  expected.schedule.warmup_epochs = 5;
  expected.model.name = "resnet50";
  expected.model.drop_path = 0.1;
  expected.augmentation.flip_probability = 0.5;
  expected.averaging.model_ema_decay = 0.9998;
  expected.optimizer.name = "lamb";
  expected.optimizer.learning_rate = 0.005;
  expected.optimizer.weight_decay = 0.02;
  expected.data.loader_threads = 4;
  const Import result = read(timm_arguments);
  EXPECT_EQ(load(result.toml).config, expected);
  EXPECT_EQ(std::ranges::count(result.notes, "bce_loss = false is off here too"), 1);
}

TEST(Import, ReadsTheArgumentsOfTorchvision) {
  const Config config = imported(R"({"lr-scheduler": "cosineannealinglr", "lr-warmup-epochs": 5, "epochs": 90,
      "lr-warmup-method": "linear", "label-smoothing": 0.1, "mixup-alpha": 0.2, "random-erase": 0.1, "amp": false,
      "train-crop-size": 176, "weight-decay": 2e-5, "ra-magnitude": 9, "model-ema": true, "opt": "sgd_nesterov"})");
  EXPECT_EQ(config.schedule.name, "cosine");
  EXPECT_EQ(config.schedule.warmup_epochs, 5);
  EXPECT_EQ(config.loss.label_smoothing, 0.1);
  EXPECT_EQ(config.augmentation.mixup_alpha, 0.2);
  EXPECT_EQ(config.augmentation.random_erasing, 0.1);
  EXPECT_EQ(config.data.image_size, AutoInteger{176});
  EXPECT_EQ(config.optimizer.name, "sgd");
  EXPECT_TRUE(config.averaging.model_ema && config.optimizer.nesterov);
}

TEST(Import, SaysWhatToWriteForKeysThatMeanMoreThanOneRow) {
  const std::pair<const char*, const char*> advised[] = {
      {R"({"aa": "rand-m9-mstd0.5-inc1"})", "aa: has no counterpart"},
      {R"({"aa": "rand-m9-mstd0.5-inc1"})", "\"rand_augment_magnitude\": 9"},
      {R"({"auto-augment": "ta_wide"})", "{\"trivial_augment\": true}"},
      {R"({"bce_loss": true})", "give loss.name = \"bce\""},
      {R"({"optimizer": {"betas": [0.9, 0.95]}})", "give optimizer.beta1 and optimizer.beta2"},
      {R"({"color_jitter": 0.4})", "give augmentation.brightness, contrast and saturation"},
      {R"({"warmup_lr": 1e-6})", "a warm-up rises from 0 here"},
      {R"({"scale": [0.08, 1.0]})", "resized_crop_min_scale"}};
  for (const auto& [content, part] : advised)
    EXPECT_TRUE(contains(refusal(content), part)) << refusal(content);
  EXPECT_EQ(imported(R"({"aa": null, "bce_loss": false, "color_jitter": 0, "auto_augment": ""})"), Config{});
}

TEST(Import, UnderstandsTheClassNamesOfPyTorch) {
  const Import result = read(R"({"optimizer": "AdamW", "scheduler": "StepLR"})");
  const Config config = load(result.toml).config;
  EXPECT_EQ(config.optimizer.name, "adamw");
  EXPECT_EQ(config.schedule.name, "step");
  EXPECT_EQ(imported(R"({"scheduler": "CosineAnnealingLR"})").schedule.name, "cosine");
  EXPECT_EQ(imported(R"({"optimizer": "SGD"})").optimizer.name, "sgd");
  const std::string note = "scheduler = \"StepLR\" is schedule.name = \"step\" here";
  EXPECT_EQ(std::ranges::count(result.notes, note), 1);
}

/// What `key` in the plan's flat form is imported as.
std::string imported_word(const std::string& key, const std::string& word, const std::string& name) {
  const Config config = imported("{\"" + key + "\": " + word + ", \"epochs\": 200}");
  return std::get<Text>(parameters_named(name).front()->get(config));
}

TEST(Import, UnderstandsTheWordsOfOtherPrograms) {
  struct Case {
    const char *key, *word, *name, *choice;
  };
  for (const Case& c : std::vector<Case>{
           {"scheduler", "CosineAnnealingWarmRestarts", "schedule.name", "cosine_restarts"},
           {"scheduler", "ReduceLROnPlateau", "schedule.name", "plateau"},
           {"scheduler", "MultiStepLR", "schedule.name", "multistep"},
           {"scheduler", "ExponentialLR", "schedule.name", "exponential"},
           {"scheduler", "OneCycleLR", "schedule.name", "onecycle"},
           {"scheduler", "PolynomialLR", "schedule.name", "polynomial"},
           {"scheduler", "ConstantLR", "schedule.name", "constant"},
           {"scheduler", "cosine_annealing", "schedule.name", "cosine"},
           {"scheduler", "none", "schedule.name", "constant"},
           {"optimizer", "RMSprop", "optimizer.name", "rmsprop"},
           {"optimizer", "Adam", "optimizer.name", "adam"},
           {"optimizer", "LAMB", "optimizer.name", "lamb"},
           {"optimizer", "SophiaG", "optimizer.name", "sophia"},
           {"activation", "ReLU", "model.activation", "relu"},
           {"activation", "LeakyReLU", "model.activation", "leaky_relu"},
           {"activation", "Hardswish", "model.activation", "hardswish"},
           {"activation", "Swish", "model.activation", "silu"},
           {"model", "ResNet18", "model.name", "resnet18"},
           {"model", "resnet-50", "model.name", "resnet50"},
           {"model", "vit_tiny_patch16_224", "model.name", "vit_tiny"},
           {"criterion", "CrossEntropyLoss", "loss.name", "cross_entropy"},
           {"criterion", "FocalLoss", "loss.name", "focal"},
           {"criterion", "BCEWithLogitsLoss", "loss.name", "bce"},
           {"class_weights", "balanced", "loss.class_weights", "inverse_frequency"},
           {"monitor", "val_loss", "training.early_stopping_metric", "loss"},
           {"dtype", "bfloat16", "precision.mixed_precision", "bf16"},
           {"loss_scale", "dynamic", "precision.loss_scale", "dynamic"},
       })
    EXPECT_EQ(imported_word(c.key, quoted(c.word), c.name), c.choice) << c.word;
}

TEST(Import, TakesASwitchForTheWordsItStandsFor) {
  EXPECT_EQ(imported_word("mixed_precision", "true", "precision.mixed_precision"), "auto");
  EXPECT_EQ(imported_word("amp", "false", "precision.mixed_precision"), "none");
  EXPECT_EQ(imported_word("channels_last", "true", "model.memory_format"), "channels_last");
  EXPECT_EQ(imported_word("channels_last", "false", "model.memory_format"), "contiguous");
  EXPECT_EQ(read(R"({"mixed_precision": true})").notes,
            std::vector<std::string>{"mixed_precision = true is precision.mixed_precision = \"auto\" here"});
  EXPECT_TRUE(
      contains(refusal(R"({"scheduler": true})"), "schedule.name = \"true\" is not one of the choices"));
}

TEST(Import, ReadsALossScaleThatIsANumber) {
  const Config config = imported(R"({"mixed_precision": "fp16", "loss_scale": 1024.0})");
  EXPECT_EQ(config.precision.loss_scale, "1024");
}

}  // namespace
}  // namespace lockstep
