// From TOML and --set to a configuration.
#include "configs/load.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "configs/registry.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

TEST(Load, TakesAnEmptyFileForTheDefaults) {
  Config before_version_2;
  before_version_2.optimizer.name = "sgd";
  for (const char* content : {"", "\n", "# nothing but a comment", "\xef\xbb\xbf", "[training]\n[run]\n"}) {
    const ResolvedConfig resolved = load(content);
    EXPECT_EQ(resolved.config, before_version_2);
    EXPECT_EQ(resolved.origin.size(), parameters().size());
    for (const auto& [name, origin] : resolved.origin) EXPECT_TRUE(origin.starts_with("default")) << name;
  }
  EXPECT_EQ(load("config_version = 2").config, Config{});
}

TEST(Load, ReadsEveryType) {
  const Config config = load(R"(
[run]
name = "a.b-c_1"
[data]
mean = [0.25]
std = [0.5]
[model]
hidden_sizes = [8, 16]
[training]
batch_size = 64
micro_batch_size = 16
[optimizer]
learning_rate = 1e-2
nesterov = false
)")
                            .config;
  EXPECT_EQ(config.run.name, "a.b-c_1");
  EXPECT_EQ(config.data.mean, Reals{0.25});
  EXPECT_EQ(config.data.std, Reals{0.5});
  EXPECT_EQ(config.model.hidden_sizes, (Integers{8, 16}));
  EXPECT_EQ(config.training.batch_size, 64);
  EXPECT_EQ(config.training.micro_batch_size, AutoInteger{16});
  EXPECT_EQ(config.optimizer.learning_rate, 0.01);
  EXPECT_FALSE(config.optimizer.nesterov);
}

TEST(Load, ReadsAutoAndDottedKeysAndInlineTables) {
  const Config config =
      load("data = {mean = 'auto'}\ntraining.micro_batch_size = \"auto\"\ntraining.epochs = 3\n").config;
  EXPECT_TRUE(config.data.mean.empty());
  EXPECT_EQ(config.training.micro_batch_size, AutoInteger{});
  EXPECT_EQ(config.training.epochs, 3);
}

TEST(Load, TakesAWholeNumberWhereANumberIsWanted) {
  EXPECT_EQ(load("[optimizer]\nlearning_rate = 1\n").config.optimizer.learning_rate, 1.0);
  EXPECT_EQ(load("[data]\nmean = [0, 0.5]\nstd = [1, 0.5]\n").config.data.mean, (Reals{0, 0.5}));
}

TEST(Load, TakesNegativeZeroForZeroSoThatEqualConfigurationsHaveEqualTexts) {
  EXPECT_FALSE(
      std::signbit(load("[training]\ngradient_clip_norm = -0.0\n").config.training.gradient_clip_norm));
}

TEST(Load, SaysWhereEachValueComesFrom) {
  const ConfigFile file("[training]\nbatch_size = 64\n  epochs = 3\n");
  const Override set{"epochs", "4"};
  const auto origin = load_config(file.path(), std::span(&set, 1)).origin;
  EXPECT_EQ(origin.at("training.batch_size"), file.path() + ":2:1");
  EXPECT_EQ(origin.at("training.epochs"), "--set");
  EXPECT_EQ(origin.at("run.name"), "default");
  EXPECT_EQ(load_config(file.path()).origin.at("training.epochs"), file.path() + ":3:3");
}

TEST(Set, WinsOverTheFileAndTheLaterOverTheEarlier) {
  const std::string content = "[training]\nepochs = 3\n";
  EXPECT_EQ(load(content, {"training.epochs=4"}).config.training.epochs, 4);
  EXPECT_EQ(load(content, {"training.epochs=4", "epochs=5"}).config.training.epochs, 5);
}

TEST(Set, NeedsNoSectionWhereOneSectionAloneHasTheKey) {
  EXPECT_EQ(load("", {"batch_size=64"}).config.training.batch_size, 64);
  EXPECT_TRUE(
      contains(problems("", {"name=x"}), "--set name=x: ambiguous key name (it may be run.name, model.name"));
}

TEST(Set, ReadsNumbersListsTextsAndBareWords) {
  EXPECT_EQ(load("", {"optimizer.learning_rate=1e-2"}).config.optimizer.learning_rate, 0.01);
  EXPECT_EQ(load("", {"optimizer.name=adamw"}).config.optimizer.name, "adamw");
  EXPECT_EQ(load("", {"optimizer.name=\"adamw\""}).config.optimizer.name, "adamw");
  EXPECT_EQ(load("", {"optimizer.name='adamw'"}).config.optimizer.name, "adamw");
  EXPECT_EQ(load("", {"model.hidden_sizes=[1,2]"}).config.model.hidden_sizes, (Integers{1, 2}));
  EXPECT_EQ(load("", {"training.micro_batch_size=auto"}).config.training.micro_batch_size, AutoInteger{});
  EXPECT_FALSE(load("", {"nesterov=false"}).config.optimizer.nesterov);
}

TEST(Set, TakesNamesAndPathsAsTheyStandEvenIfTheyLookLikeNumbers) {
  EXPECT_EQ(load("", {"run.name=7"}).config.run.name, "7");
  EXPECT_EQ(load("", {"run.name=true"}).config.run.name, "true");
  EXPECT_EQ(load("", {"run.output="}).config.run.output, "");
  EXPECT_EQ(load("", {"run.output=a=b c"}).config.run.output, "a=b c");
}

TEST(Set, CannotSmuggleInASecondKey) {
  EXPECT_TRUE(contains(problems("", {"training.epochs=3\nx=4"}), "has the wrong type"));
  EXPECT_TRUE(contains(problems("", {"training.epochs=3\n[x]"}), "has the wrong type"));
}

TEST(Set, MustBeAnAssignment) {
  for (const char* text : {"", "training.epochs", "=3"}) {
    try {
      parse_override(text);
      ADD_FAILURE() << text;
    } catch (const ConfigError& error) {
      EXPECT_TRUE(contains(error.what(), "the form is key=value")) << error.what();
    }
  }
  EXPECT_EQ(parse_override("a=b=c").value, "b=c");
}

TEST(Files, ThatCannotBeReadAreSaid) {
  const auto problem_of = [](const std::string& path) -> std::string {
    try {
      load_config(path);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  const std::string missing = testing::TempDir() + "no_such_file.toml";
  EXPECT_EQ(problem_of(missing), missing +
                                     ": cannot read the configuration (No such file or directory) check the "
                                     "path and its permissions");
  EXPECT_TRUE(contains(problem_of("/"), "/: cannot read the configuration (Is a directory)"));
  EXPECT_EQ(problem_of("/dev/zero"),
            "/dev/zero: too large for a configuration (more than 256 KiB) check the path");
}

TEST(Files, ThatWereReadBeforeAreNotReadAgain) {
  const auto resolved = load_content("/dev/fd/63", "[training]\nepochs = 7\n");
  EXPECT_EQ(resolved.config.training.epochs, 7);
  EXPECT_EQ(resolved.origin.at("training.epochs"), "/dev/fd/63:2:1");
}

TEST(Paths, BeginWithNoTilde) {
  for (const char* key : {"run.output", "data.path", "model.pretrained", "distillation.teacher"}) {
    const std::string text = problems("", {std::string(key) + "=~/x"});
    EXPECT_TRUE(contains(text, "begins with '~' (only a shell puts a home folder there)")) << text;
  }
  EXPECT_EQ(load("[run]\noutput = \"./~\"\n").config.run.output, "./~");
}

TEST(Files, ThatAreNotTomlAreRefusedAtTheirPlace) {
  EXPECT_TRUE(problems("[training]\nepochs = \n").starts_with("FILE:2:10: not valid TOML ("));
  EXPECT_TRUE(problems("[training]\nepochs = 3\nepochs = 4\n").starts_with("FILE:3:"));
  EXPECT_TRUE(problems("[run]\nname = \"\xff\"\n").starts_with("FILE:2:"));
  EXPECT_TRUE(problems("[optimizer]\nlearning_rate = 1e400\n").starts_with("FILE:2:"));
}

TEST(Files, ThatAreNotUnderstoodSilenceTheRules) {
  for (const char* content :
       {"[training]\nepochs = 100\n[", "config_version = 3\n[training]\nepochs = 100\n"}) {
    const std::string text = problems(content, {"warmup_epochs=50"});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << text;
  }
}

TEST(ConfigVersion, MayBeAnEarlierOneOrLeftOut) {
  for (const char* version : {"", "config_version = 1\n", "config_version = 2\n"})
    EXPECT_EQ(load(version + std::string("[training]\nepochs = 3\n")).config.training.epochs, 3);
}

TEST(ConfigVersion, OfAnOlderFileKeepsItsBitsAsThoseWithoutOneDo) {
  for (const std::string old : {"", "config_version = 1\n"}) {
    const auto resolved = load(old);
    EXPECT_EQ(resolved.config.optimizer.name, "sgd");
    EXPECT_EQ(resolved.origin.at("optimizer.name"), "default of config_version 1");
    EXPECT_EQ(load(old + "[optimizer]\nname = 'lion'").config.optimizer.name, "lion");
    EXPECT_EQ(load(old, {"optimizer.name=lion"}).config.optimizer.name, "lion");
    const auto balanced = load(old + "template = 'balanced'").config;
    EXPECT_EQ(balanced.optimizer.name, "adamw") << "as the template always was";
    EXPECT_EQ(balanced.augmentation.crop_padding, 0);
    EXPECT_EQ(balanced.augmentation.flip_probability, 0.0);
    EXPECT_EQ(load(old, {"template=balanced"}).config, balanced);
  }
  EXPECT_EQ(load("config_version = 2\n").origin.at("optimizer.name"), "default");
  const auto balanced = load("config_version = 2\ntemplate = 'balanced'").config;
  EXPECT_EQ(balanced.augmentation.crop_padding, 4);
  EXPECT_EQ(balanced.augmentation.flip_probability, 0.5);
  EXPECT_EQ(load_defaults().config.optimizer.name, "adamw");
}

TEST(ConfigVersion, ThatIsNewerIsRefusedAndTheRestOfTheFileNotLookedAt) {
  EXPECT_EQ(
      problems("# later\nconfig_version = 3\n[no_such_section]\na = 1\n"),
      "FILE:2:1: config_version = 3 is newer than this lockstep (it reads versions up to 2) use the lockstep "
      "that the file was written for");
}

TEST(ConfigVersion, MustBeAVersion) {
  for (const char* version : {"0", "-1", "\"1\"", "1.0", "true", "[1]", "{a = 1}"}) {
    const std::string text = problems("config_version = " + std::string(version) + "\nepohcs = 3\n");
    EXPECT_TRUE(text.starts_with("FILE:1:1: config_version is not a version (")) << text;
    EXPECT_TRUE(contains(text, "FILE:2:1: unknown key epohcs")) << text;
  }
  EXPECT_TRUE(contains(problems("config_versoin = 1"), "did you mean config_version?"));
  EXPECT_TRUE(contains(problems("[run]\nconfig_version = 1"), "unknown key run.config_version"));
  EXPECT_TRUE(contains(problems("", {"config_version=1"}), "unknown key config_version"));
}

TEST(Files, OfAnyDepthAreAnswered) {
  const auto names = [](const std::string& front, std::size_t count, const std::string& back) {
    std::string text = front;
    for (std::size_t i = 0; i < count; ++i) text += "a.";
    return text.append("b").append(back);
  };
  EXPECT_TRUE(contains(problems(names("", 1000, " = 1")), "unknown section [a]"));
  EXPECT_TRUE(contains(problems(names("[", 1000, "]")), "unknown section [a]"));
  EXPECT_TRUE(contains(problems(names("\n", 130000, " = 1")), "FILE:2:1: nested too deep"));
  EXPECT_TRUE(contains(problems(names("[", 130000, "]")), "FILE:1:1: nested too deep"));
  EXPECT_TRUE(contains(problems("", {names("training.epochs={", 130000, " = 1}")}), "--set training.epochs"));
  EXPECT_TRUE(contains(problems("a = " + std::string(250000, '[')), "not valid TOML"));
}

}  // namespace
}  // namespace lockstep
