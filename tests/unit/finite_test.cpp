// Non-finite or degenerate numbers must not end as success.
#include "worker/models/finite.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/unit/refusal.hpp"
#include "worker/data/image_record.hpp"
#include "worker/evaluation/evaluate.hpp"
#include "worker/models/batch_norm.hpp"
#include "worker/models/model.hpp"
#include "worker/state/decisions.hpp"
#include "worker/state/finite_weights.hpp"
#include "worker/state/state.hpp"
#include "worker/step/loss.hpp"

namespace lockstep {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

std::shared_ptr<Model> small_cnn(std::int64_t side = 8) {
  Config::Model settings;
  settings.name = "small_cnn";
  auto model = make_model(settings, {1, side, side, 2});
  initialise(*model, 0);
  return model;
}

TEST(Finite, IsWhatEveryTensorMustBe) {
  std::vector<float> values(5000, 1.0F);
  const auto trouble = [&](const std::string& name) { return trouble_in(name, values); };
  EXPECT_EQ(trouble("conv1.weight"), "");
  for (const float bad : {nan, inf, -inf}) {
    values[4711] = bad;
    EXPECT_NE(trouble("conv1.weight").find("conv1.weight has values that are not finite (element 4711 is "),
              std::string::npos)
        << trouble("conv1.weight");
  }
  for (const float sound : {0.0F, -0.0F, 3e38F, 1e-45F}) {
    values[4711] = sound;
    EXPECT_EQ(trouble("bn1.running_var"), "");
  }
}

TEST(Finite, AreVariancesThatAreNotBelowZero) {
  const std::vector<float> values = {1, 0, -1e-6F};
  EXPECT_EQ(trouble_in("bn1.running_mean", values), "");
  EXPECT_NE(trouble_in("bn1.running_var", values).find("bn1.running_var has values below 0 (element 2 is"),
            std::string::npos);
}

TEST(Finite, NamesTheFirstTensorOfAModelAndTheElement) {
  const auto model = small_cnn();
  const Layout layout(*model, /*channels_last=*/true);
  const auto flat = at::zeros({layout.size()});
  store(*model, layout, flat);
  EXPECT_EQ(trouble_in_weights(layout, flat), "");
  for (const char* name : {"fc.bias", "bn2.running_var", "bn2.weight"}) {  // each precedes the former ones
    const auto entry = std::ranges::find(layout.entries(), name, &Entry::name);
    flat[entry->offset + entry->count - 1] = nan;
    const auto found = trouble_in_weights(layout, flat);
    if (std::string(name) == "bn2.running_var") continue;  // comes after fc.bias, which stays the first
    EXPECT_TRUE(found.starts_with(name)) << found;
    EXPECT_NE(found.find("element " + std::to_string(entry->count - 1)), std::string::npos) << found;
  }
}

TEST(Finite, LooksAtTheBlocksOfAShardAndNotAtTheMetrics) {
  const auto model = small_cnn();
  const Layout layout(*model, /*channels_last=*/true);
  const auto flat = at::zeros({layout.size()});
  flat[layout.metrics().offset] = nan;
  const auto conv2 = std::ranges::find(layout.entries(), "conv2.weight", &Entry::name);
  flat[conv2->offset + 4097] = inf;
  std::string found;
  for (int rank = 0; rank < 3; ++rank) {
    const auto shard = layout.shard(rank, 3);
    found += trouble_in_blocks(layout, layout.own_blocks(rank, 3), flat.data_ptr<float>() + shard.begin,
                               shard.begin);
  }
  EXPECT_EQ(found, "conv2.weight has values that are not finite (element 4097 is inf)");
}

TEST(BatchNorm, IsNamedWhereItGetsOneValueAChannel) {
  const auto model = small_cnn(4);  // 4 x 4, 2 x 2, 1 x 1
  model->train();
  model->forward(at::ones({2, 1, 4, 4}));
  EXPECT_EQ(batch_norm_of_one_value(*model), "");
  model->forward(at::ones({1, 1, 4, 4}));
  EXPECT_EQ(batch_norm_of_one_value(*model), "bn3");
  const auto larger = small_cnn(5);  // 5 x 5, 3 x 3, 2 x 2
  larger->forward(at::ones({1, 1, 5, 5}));
  EXPECT_EQ(batch_norm_of_one_value(*larger), "");
}

TEST(LossScale, ThatSkipsEveryStepIsNoSuccess) {
  Config config;
  for (const char* scale : {"dynamic", "1e9"}) {
    config.precision.loss_scale = scale;
    auto decisions = first_decisions(config, /*scales_loss=*/true);
    const bool dynamic = scale[0] == 'd';
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(judge_gradients(decisions, config, /*finite=*/false));
    expect_refused(ExitCode::diverged, [&] { require_effective_steps(decisions, config, 20); },
                   {"every step", "20 of 20", dynamic ? "training.max_steps" : "precision.loss_scale"});
    EXPECT_NO_THROW(require_effective_steps(decisions, config, 21));  // not all steps: a warning
    decisions.skipped_steps = 3;
    if (dynamic) {
      EXPECT_NO_THROW(require_effective_steps(decisions, config, 3)) << "it is on its way down";
    } else {
      EXPECT_THROW(require_effective_steps(decisions, config, 3), Error);
    }
  }
  EXPECT_NO_THROW(require_effective_steps(Decisions{}, config, 0));
  EXPECT_NO_THROW(require_effective_steps(Decisions{}, config, 5));
}

Evaluation with_correct(std::int64_t samples, std::int64_t correct) { return {samples, correct, 1.0}; }

TEST(Guessing, IsWhatChanceOrTheCommonestClassGives) {
  std::vector<std::int64_t> labels(10000);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 10);
  EXPECT_TRUE(is_guessing(with_correct(10000, 0), labels, 10));
  EXPECT_TRUE(is_guessing(with_correct(10000, 1050), labels, 10));
  EXPECT_FALSE(is_guessing(with_correct(10000, 1100), labels, 10));
  for (std::size_t i = 0; i < 9000; ++i) labels[i] = 3;
  EXPECT_TRUE(is_guessing(with_correct(10000, 9000), labels, 10));
  EXPECT_FALSE(is_guessing(with_correct(10000, 9200), labels, 10));
}

TEST(Guessing, IsNotToldOfFewSamplesOrOfOneClass) {
  EXPECT_FALSE(is_guessing(with_correct(99, 0), std::vector<std::int64_t>(99), 10));
  EXPECT_FALSE(is_guessing(with_correct(500, 500), std::vector<std::int64_t>(500), 1));
}

ChannelStatistics statistics_of(const std::vector<std::uint8_t>& levels, const PixelShape& shape) {
  std::vector<ImageRecord> records;
  for (std::size_t at = 0; at < levels.size(); at += static_cast<std::size_t>(shape.bytes()))
    records.push_back(record_of(levels.data() + at, shape, 0));
  return channel_statistics(records, shape);
}

TEST(ChannelStatistics, TakeOneForAChannelThatNeverChanges) {
  const auto statistics = statistics_of({10, 100, 0, 30, 100, 255}, {1, 2, 3});
  EXPECT_DOUBLE_EQ(statistics.std[0], 10 / 255.0);
  EXPECT_EQ(statistics.std[1], 1.0);
  EXPECT_DOUBLE_EQ(statistics.mean[1], 100 / 255.0);
  EXPECT_DOUBLE_EQ(statistics.std[2], 0.5);  // the largest that is possible
  EXPECT_NE(note_on_constant_channels(statistics).find("in channel 1 ("), std::string::npos);
}

TEST(ChannelStatistics, TakeOneForAChannelThatHardlyChangesToo) {
  std::vector<std::uint8_t> levels(100, 7);
  levels[3] = 8;  // a deviation of a tenth of a level
  EXPECT_EQ(statistics_of(levels, {10, 10, 1}).std[0], 1.0);
  levels[3] = 12;  // of half a level
  const auto statistics = statistics_of(levels, {10, 10, 1});
  EXPECT_NEAR(statistics.std[0], 0.4975 / 255, 1e-6);
  EXPECT_EQ(note_on_constant_channels(statistics), "");
}

TEST(ClassWeights, LeaveSomethingToLearn) {
  Config::Loss settings;
  settings.class_weights = "explicit";
  settings.class_weight_values = {0, 2};
  EXPECT_EQ(class_weights(settings, {5, 1}), settings.class_weight_values);
  expect_refused(ExitCode::config,
                 [&] {
                   class_weights(settings, {5, 0});
                 },
                 {"loss.class_weight_values", "nothing is left"});
}

}  // namespace
}  // namespace lockstep
