// All that is wrong with a configuration, with the place of each problem.
#include <gtest/gtest.h>

#include "configs/load.hpp"
#include "configs/registry.hpp"
#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

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

/// The loss scale of fp16 that is loaded when `value` comes from the option or from the file.
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

}  // namespace
}  // namespace lockstep
