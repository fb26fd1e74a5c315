// Hyper-parameters in JSON become the configuration that they mean, or all that is wrong with them.
#include "configs/import.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "configs/print.hpp"
#include "tests/unit/changed_values.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Import read(const std::string& content, bool skip_unknown = false) {
  const ConfigFile file(content);
  return import_json(file.path(), skip_unknown);
}

/// The configuration that the printed TOML loads to.
Config imported(const std::string& content) { return load(read(content).toml).config; }

/// The problems, one a line, each without the path of the file in front.
std::string refusal(const std::string& content, bool skip_unknown = false) {
  const std::string path = ConfigFile("").path();
  try {
    read(content, skip_unknown);
  } catch (const ConfigError& error) {
    std::string text = error.what();
    EXPECT_TRUE(text.starts_with(path + ": ")) << text;
    for (std::size_t at; (at = text.find(path + ": ")) != std::string::npos;) text.erase(at, path.size() + 2);
    return text;
  }
  ADD_FAILURE() << "was accepted: " << content;
  return "";
}

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

/// What timm's train.py writes to args.yaml, in part, as JSON: most of it is off.
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

/// What `key` of the plan's flat form becomes.
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
