#include "configs/rules.hpp"

#include <algorithm>
#include <cstdlib>

#include "configs/derive.hpp"

namespace lockstep {
namespace {

using Broken = std::vector<BrokenRule>;

std::string number(std::int64_t value) { return std::to_string(value); }

/// The divisor of `whole`, `largest` at most, nearest to `wanted`; the smaller of two equally near.
std::int64_t nearest_divisor(std::int64_t whole, std::int64_t wanted, std::int64_t largest) {
  std::int64_t nearest = 1;
  for (std::int64_t divisor = 1; divisor <= std::min(whole, largest); ++divisor) {
    if (whole % divisor == 0 && std::llabs(divisor - wanted) < std::llabs(nearest - wanted))
      nearest = divisor;
  }
  return nearest;
}

void check_batches(const Config& config, Broken& broken) {
  const std::int64_t batch = config.training.batch_size;
  const std::int64_t micro = resolved_micro_batch_size(config);
  if (batch % micro != 0) {
    const double largest = find_parameter("training", "micro_batch_size")->bounds.high;
    const std::int64_t divisor = nearest_divisor(batch, micro, static_cast<std::int64_t>(largest));
    broken.push_back(
        {{"training.micro_batch_size", "training.batch_size"},
         {"training.micro_batch_size = " + number(micro) +
              " does not divide training.batch_size = " + number(batch),
          "every micro-batch of a step has the same size", "take " + number(divisor) + " or \"auto\""}});
  }
  const std::int64_t step = batch * config.training.gradient_accumulation_steps;
  const std::int64_t samples = config.data.train_samples;
  if (samples != 0 && samples < step) {
    broken.push_back({{"data.train_samples", "training.batch_size", "training.gradient_accumulation_steps"},
                      {"data.train_samples = " + number(samples) + " is less than one step takes",
                       "a step takes batch_size * gradient_accumulation_steps = " + number(step) + " samples",
                       "take more samples or a smaller batch"}});
  }
}

void check_warmup(const Config& config, Broken& broken) {
  const auto& schedule = config.schedule;
  std::vector<std::string> given;
  if (schedule.warmup_steps != 0) given.push_back("schedule.warmup_steps");
  if (schedule.warmup_ratio != 0) given.push_back("schedule.warmup_ratio");
  if (schedule.warmup_epochs != 0) given.push_back("schedule.warmup_epochs");
  if (given.size() > 1) {
    std::string why = "given are " + given[0] + " and " + given[1];
    if (given.size() == 3) why += " and " + given[2];
    broken.push_back(
        {given, {"the warm-up is given more than once", why, "keep one and set the others to 0"}});
  }
  if (schedule.warmup_epochs > config.training.epochs) {
    broken.push_back(
        {{"schedule.warmup_epochs", "training.epochs"},
         {"schedule.warmup_epochs = " + number(schedule.warmup_epochs) + " is longer than the run",
          "training.epochs = " + number(config.training.epochs), "shorten the warm-up"}});
  }
}

void check_schedule(const Config& config, Broken& broken) {
  const auto& schedule = config.schedule;
  if (schedule.name != "constant" && schedule.min_lr > config.optimizer.learning_rate) {
    broken.push_back({{"schedule.min_lr", "optimizer.learning_rate", "schedule.name"},
                      {"schedule.min_lr = " + real_text(schedule.min_lr) +
                           " is above optimizer.learning_rate = " + real_text(config.optimizer.learning_rate),
                       "the schedule only lowers the learning rate", "lower min_lr or raise learning_rate"}});
  }
  if (schedule.name == "step" && schedule.step_epochs >= config.training.epochs) {
    broken.push_back(
        {{"schedule.step_epochs", "schedule.name", "training.epochs"},
         {"schedule.step_epochs = " + number(schedule.step_epochs) + " is never reached",
          "training.epochs = " + number(config.training.epochs) + ", so the learning rate never drops",
          "lower step_epochs or set schedule.name = \"constant\""}});
  }
}

void check_optimizer(const Config& config, Broken& broken) {
  const auto& optimizer = config.optimizer;
  if (optimizer.name == "sgd" && optimizer.nesterov && optimizer.momentum == 0) {
    broken.push_back(
        {{"optimizer.nesterov", "optimizer.momentum"},
         {"optimizer.nesterov = true has no effect with optimizer.momentum = 0",
          "Nesterov's step looks ahead along the momentum", "set nesterov = false or momentum = 0.9"}});
  }
}

void check_model_and_data(const Config& config, Broken& broken) {
  if (config.model.name == "mlp" && config.model.hidden_sizes.empty()) {
    broken.push_back({{"model.hidden_sizes", "model.name"},
                      {"model.hidden_sizes = [] leaves the mlp without a hidden layer",
                       "it needs one at least", "write for example hidden_sizes = [256]"}});
  }
  const std::size_t means = config.data.mean.size(), deviations = config.data.std.size();
  if (means != deviations) {
    broken.push_back({{"data.mean", "data.std"},
                      {"data.mean and data.std differ in length",
                       number(static_cast<std::int64_t>(means)) + " and " +
                           number(static_cast<std::int64_t>(deviations)) + " numbers, auto counting as none",
                       "give one number per channel in both, or \"auto\" in both"}});
  }
}

}  // namespace

std::vector<BrokenRule> broken_rules(const Config& config) {
  Broken broken;
  check_batches(config, broken);
  check_warmup(config, broken);
  check_schedule(config, broken);
  check_optimizer(config, broken);
  check_model_and_data(config, broken);
  return broken;
}

}  // namespace lockstep
