// Warnings about learning rates far from what an optimiser usually needs.
#include "configs/usual_rates.hpp"

#include <gtest/gtest.h>

#include "tests/unit/config_file.hpp"

namespace lockstep {
namespace {

std::string warnings_of(const std::string& content) {
  std::string text;
  for (const auto& warning : unusual_rates(load(content))) text += warning + "\n";
  return text;
}

std::string with(const std::string& name, double rate, const std::string& more = "") {
  return warnings_of("[optimizer]\nname = \"" + name + "\"\nlearning_rate = " + real_text(rate) + "\n" +
                     more);
}

TEST(UsualRates, AreKnownOfEveryOptimiser) {
  for (const auto& name : find_parameter("optimizer", "name")->bounds.choices) {
    EXPECT_NE(with(name, 99), "") << name;
    EXPECT_NE(with(name, 2e-8, "[schedule]\nmin_lr = 0.0\n"), "") << name;
  }
}

TEST(UsualRates, AreThoseOfThePapers) {
  const std::pair<const char*, std::vector<double>> usual[] = {
      {"sgd", {0.01, 0.1, 3.2}},  {"adam", {2e-5, 1e-3}}, {"adamw", {2e-5, 5e-4, 1e-3, 4e-3}},
      {"rmsprop", {1e-3, 0.256}}, {"lars", {1, 29}},      {"lamb", {1e-3, 0.01}},
      {"lion", {3e-5, 3e-4}},     {"sophia", {4e-4}},     {"muon", {1e-3, 0.02}}};
  for (const auto& [name, rates] : usual)
    for (const double rate : rates) EXPECT_EQ(with(name, rate), "") << name << " " << rate;
}

TEST(UsualRates, OfAdamwAreTooLowForSgdAndTheOtherWayRound) {
  EXPECT_EQ(
      with("sgd", 0.001),
      "optimizer.learning_rate = 0.001 is far too low for sgd (it is usually trained with 0.01 to 10) set "
      "optimizer.learning_rate = 0.1, or optimizer.name = \"adamw\"\n");
  EXPECT_EQ(with("adamw", 0.1),
            "optimizer.learning_rate = 0.1 is far too high for adamw (it is usually trained with 1e-05 to "
            "0.01) set "
            "optimizer.learning_rate = 0.001\n");
}

TEST(UsualRates, OfTheDefaultsAreThoseOfTheCurrentVersion) {
  EXPECT_EQ(warnings_of("config_version = 2"), "");
  for (const char* old : {"", "config_version = 1"})
    EXPECT_NE(warnings_of(old).find("or write config_version = 2 above the sections"), std::string::npos);
  for (const char* name : {"fast", "balanced", "high_accuracy"})
    EXPECT_EQ(warnings_of("template = '" + std::string(name) + "'"), "") << name;
}

TEST(UsualRates, AreJudgedAfterScaling) {
  const std::string large = "lr_scaling = 'linear'\n[training]\nbatch_size = 8192\n";
  EXPECT_EQ(with("sgd", 0.1, large), "");
  EXPECT_EQ(with("sgd", 0.001, large), "") << "0.032";
  const auto high = with("adamw", 1e-3, large);
  EXPECT_TRUE(high.starts_with("optimizer.learning_rate = 0.001, 0.032 after lr_scaling, is far too high"))
      << high;
  EXPECT_NE(high.find("set optimizer.learning_rate = 3.1"), std::string::npos) << high;
}

TEST(UsualRates, OfPretrainedWeightsAndOfTheLastLayerAreJudgedToo) {
  EXPECT_EQ(with("sgd", 0.001, "[model]\npretrained = 'w.safetensors'\n"), "");
  EXPECT_NE(with("sgd", 1e-5, "[model]\npretrained = 'w.safetensors'\n"), "");
  EXPECT_EQ(with("adamw", 1e-4, "head_learning_rate = 1e-3\n"), "");
  EXPECT_TRUE(
      with("adamw", 1e-4, "head_learning_rate = 0.1\n").starts_with("optimizer.head_learning_rate = 0.1 "));
}

}  // namespace
}  // namespace lockstep
