// From TOML and --set to a configuration, or to all that is wrong with it.
#include "configs/load.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "configs/registry.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Load, TakesAnEmptyFileForTheDefaults) {
  for (const char* content : {"", "\n", "# nothing but a comment", "\xef\xbb\xbf", "[training]\n[run]\n"}) {
    const ResolvedConfig resolved = load(content);
    EXPECT_EQ(resolved.config, Config{.optimizer = {.name = "sgd"}});  // as before config_version 2
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

TEST(Problems, AreAllReportedInTheOrderOfTheirPlacesTheFileFirst) {
  EXPECT_EQ(
      problems("[training]\nepochs = 0\nbatchsize = 1\nbatch_size = 1.5\n[run]\nseed = -1\n",
               {"momentum=2", "lr=1"}),
      "FILE:2:1: training.epochs = 0 is out of range (1 .. 1000000) give a whole number in this range\n"
      "FILE:3:1: unknown key training.batchsize ([training] has no such key) did you mean "
      "training.batch_size?\n"
      "FILE:4:1: training.batch_size = 1.5 has the wrong type (a number with a fraction or an exponent where "
      "a whole "
      "number is wanted) write it like batch_size = 32\n"
      "FILE:6:1: run.seed = -1 is out of range (0 .. 9007199254740992) give a whole number in this range\n"
      "--set momentum=2: optimizer.momentum = 2.0 is out of range (0 .. 0.99) give a number in this range\n"
      "--set lr=1: unknown key lr (there is no such key) did you mean optimizer.learning_rate?");
}

TEST(Problems, SortLinesAsNumbers) {
  const std::string text = problems("[run]\na = 1\n" + std::string(8, '\n') + "b = 1\n");
  EXPECT_LT(text.find("FILE:2:1"), text.find("FILE:11:1"));
}

TEST(Problems, ShowTheColumnOfTheKey) {
  EXPECT_TRUE(
      contains(problems("training = {epochs = 3, batch_size = 0}"), "FILE:1:25: training.batch_size = 0"));
  EXPECT_TRUE(contains(problems("[training]\n   epochs = 0"), "FILE:2:4: "));
  EXPECT_TRUE(contains(problems("training.epochs = 0"), "FILE:1:10: "));
}

TEST(Problems, KeepToOneLineEachWhateverTheUserWrote) {
  const std::string text =
      problems("[run]\n\"a\\nb\" = 1\nname = \"a\\nb\"\n", {"run.output=a\nb", "x\ny=1"});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
}

TEST(Problems, CutLongValuesAndNames) {
  const std::string longest(5000, 'x');
  for (const std::string& text :
       {problems("[run]\nname = \"" + longest + "\""), problems("[run]\n" + longest + " = 1"),
        problems("[" + longest + "]"), problems(longest + " = 1"), problems("", {longest + "=1"}),
        problems("", {"run.name=" + longest}), problems("", {"run." + longest + "=1"})})
    EXPECT_LT(text.size(), 600) << text;
}

TEST(Problems, EndAfterAHundredAndCountTheRest) {
  std::string content = "[run]\n";
  for (int i = 0; i < 250; ++i) content.append("k").append(std::to_string(i)).append(" = 1\n");
  const std::string text = problems(content);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
  EXPECT_TRUE(contains(text, "FILE:101:1: unknown key run.k99 "))
      << "the first of the file, not of the alphabet";
  EXPECT_TRUE(text.ends_with("\nand 150 more problems")) << text;
}

TEST(UnknownKeys, AreAnsweredWithTheNearestKey) {
  EXPECT_TRUE(contains(problems("[training]\nbatchsize = 3"),
                       "FILE:2:1: unknown key training.batchsize ([training] "
                       "has no such key) did you mean training.batch_size?"));
  EXPECT_TRUE(contains(problems("[training]\nlr = 3"), "did you mean optimizer.learning_rate?"));
  EXPECT_TRUE(contains(problems("[training]\nmomentum = 3"), "did you mean optimizer.momentum?"));
  EXPECT_TRUE(contains(problems("", {"training.batchsize=3"}), "did you mean training.batch_size?"));
  EXPECT_TRUE(contains(problems("", {"foo.batch_size=3"}), "did you mean training.batch_size?"));
  EXPECT_TRUE(contains(problems("", {"lr=3"}), "did you mean optimizer.learning_rate?"));
  EXPECT_TRUE(contains(problems("", {"xyzzy=3"}), "the sections are run, data"));
  EXPECT_TRUE(contains(problems("[run]\nxyzzy = 3"), "its keys are name, output, seed"));
}

TEST(UnknownSections, AreAnsweredWithTheNearestSection) {
  EXPECT_TRUE(contains(problems("[trainig]\nepochs = 3"),
                       "FILE:1:2: unknown section [trainig] (there is no such "
                       "section) did you mean [training]?"));
  EXPECT_TRUE(contains(problems("[xyzzy]"), "the sections are run, data"));
  EXPECT_TRUE(contains(problems("batch_size = 3"),
                       "FILE:1:1: unknown key batch_size (every key belongs to a section) "
                       "did you mean training.batch_size?"));
}

TEST(Sections, AreNoKeysAndKeysNoSections) {
  EXPECT_TRUE(contains(problems("training = 3"), "training is a section, not a key"));
  EXPECT_TRUE(contains(problems("[[training]]"), "training is a section, not a key"));
  EXPECT_TRUE(contains(problems("", {"training=3"}), "training is a section, not a key"));
  EXPECT_TRUE(contains(problems("[training.epochs]"), "a table where a whole number is wanted"));
}

TEST(Types, AreNotConverted) {
  const std::pair<const char*, const char*> cases[] = {
      {"[training]\nepochs = \"3\"", "a string where a whole number is wanted"},
      {"[training]\nepochs = 3.0", "a number with a fraction or an exponent where a whole number is wanted"},
      {"[training]\nepochs = true", "true or false where a whole number is wanted"},
      {"[training]\nepochs = [3]", "a list where a whole number is wanted"},
      {"[training]\nepochs = {a = 1}", "a table where a whole number is wanted"},
      {"[training]\nepochs = 2025-01-06", "a date or time where a whole number is wanted"},
      {"[training]\nmicro_batch_size = \"none\"", "a string where a whole number or \"auto\" is wanted"},
      {"[optimizer]\nlearning_rate = \"0.1\"", "a string where a number is wanted"},
      {"[optimizer]\nnesterov = 1", "a whole number where true or false is wanted"},
      {"[optimizer]\nname = true", "true or false where a string is wanted"},
      {"[model]\nhidden_sizes = [1, 2.5]", "a list where a list of whole numbers is wanted"},
      {"[model]\nhidden_sizes = \"auto\"", "a string where a list of whole numbers is wanted"},
      {"[data]\nmean = []", "an empty list where a list of numbers or \"auto\" is wanted"},
      {"[data]\nmean = 0.5",
       "a number with a fraction or an exponent where a list of numbers or \"auto\" is wanted"},
  };
  for (const auto& [content, expected] : cases)
    EXPECT_TRUE(contains(problems(content), expected)) << problems(content);
}

TEST(Values, MustBeFiniteAndWithinTheirRange) {
  EXPECT_TRUE(contains(problems("[optimizer]\nlearning_rate = nan"), "learning_rate = nan is not finite"));
  EXPECT_TRUE(contains(problems("[optimizer]\nlearning_rate = inf"), "learning_rate = inf is not finite"));
  EXPECT_TRUE(contains(problems("[optimizer]\nlearning_rate = 0"), "is out of range (above 0 up to 100)"));
  EXPECT_TRUE(
      contains(problems("[run]\nseed = 9007199254740993"), "run.seed = 9007199254740993 is out of range"));
  EXPECT_TRUE(contains(problems("[data]\nmean = [1]\nstd = [0]"), "data.std[0] = 0.0 is out of range"));
  EXPECT_TRUE(contains(problems("[optimizer]\nname = \"adamww\""), "did you mean \"adamw\"?"));
  EXPECT_TRUE(
      contains(problems("[optimizer]\nname = \"xyzzy\""), "is not one of the choices (sgd, adam, adamw"));
}

/// The loss scale of fp16 that is read, with the option first or in the file.
std::string loss_scale(const std::string& value) {
  const std::string in_file =
      load("[precision]\nmixed_precision = 'fp16'\nloss_scale = " + value).config.precision.loss_scale;
  EXPECT_EQ(load("", {"mixed_precision=fp16", "loss_scale=" + value}).config.precision.loss_scale, in_file);
  return in_file;
}

TEST(WordsOrNumbers, AreKeptAsTheWordOrTheShortestTextOfTheNumber) {
  EXPECT_EQ(loss_scale("\"dynamic\""), "dynamic");
  for (const char* value : {"1024", "1024.0", "1.024e3", "\"1024\"", "\"1024.00\"", "'1.024e+3'"})
    EXPECT_EQ(loss_scale(value), "1024") << value;
  EXPECT_EQ(loss_scale("0.5"), "0.5");
  EXPECT_EQ(load("", {"mixed_precision=fp16", "loss_scale=dynamic"}).config.precision.loss_scale, "dynamic");
}

TEST(WordsOrNumbers, AreNothingElse) {
  for (const char* value :
       {"0", "-1", "-0.0", "nan", "inf", "'fast'", "'0'", "'-1'", "'+1'", "'1 '", "''", "'1e999'"}) {
    const std::string text =
        problems("[precision]\nmixed_precision = 'fp16'\nloss_scale = " + std::string(value));
    EXPECT_TRUE(contains(text, "FILE:3:1: precision.loss_scale = ")) << text;
    EXPECT_TRUE(contains(text,
                         "is neither a number above 0 nor \"dynamic\" (dynamic, or a number above 0) write "
                         "\"dynamic\" or for example 1024"))
        << text;
  }
  for (const char* value : {"true", "[1024]", "{a = 1}", "2025-01-06"}) {
    const std::string text =
        problems("[precision]\nmixed_precision = 'fp16'\nloss_scale = " + std::string(value));
    EXPECT_TRUE(
        contains(text, "where a number or \"dynamic\" is wanted) write it like loss_scale = \"dynamic\""))
        << text;
  }
}

TEST(RefusedValues, SilenceTheRulesThatNameThem) {
  const std::string text = problems("[training]\nbatch_size = 0\nmicro_batch_size = 24\n");
  EXPECT_TRUE(contains(text, "training.batch_size = 0 is out of range"));
  EXPECT_FALSE(contains(text, "does not divide"));
}

TEST(BrokenRules, AreShownAtTheFirstOfTheirParametersThatIsNotADefault) {
  EXPECT_TRUE(problems("[training]\nbatch_size = 30\nmicro_batch_size = 24\n").starts_with("FILE:3:1: "));
  EXPECT_TRUE(problems("[training]\nmicro_batch_size = 24\n", {"batch_size=30"}).starts_with("FILE:2:1: "));
  EXPECT_TRUE(problems("[schedule]\nwarmup_epochs = 5\n", {"epochs=4"}).starts_with("FILE:2:1: "));
  EXPECT_TRUE(problems("[optimizer]\nnesterov = true\nmomentum = 0\n").starts_with("FILE:3:1: "));
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
  const auto names = [](std::size_t count) {
    std::string text(2 * count, 'a');
    for (std::size_t i = 1; i < text.size(); i += 2) text[i] = '.';
    return text + "b";
  };
  EXPECT_TRUE(contains(problems(names(1000) + " = 1"), "unknown section [a]"));
  EXPECT_TRUE(contains(problems("[" + names(1000) + "]"), "unknown section [a]"));
  EXPECT_TRUE(contains(problems("\n" + names(130000) + " = 1"), "FILE:2:1: nested too deep"));
  EXPECT_TRUE(contains(problems("[" + names(130000) + "]"), "FILE:1:1: nested too deep"));
  EXPECT_TRUE(
      contains(problems("", {"training.epochs={" + names(130000) + " = 1}"}), "--set training.epochs"));
  EXPECT_TRUE(contains(problems("a = " + std::string(250000, '[')), "not valid TOML"));
}

}  // namespace
}  // namespace lockstep
