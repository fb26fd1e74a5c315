#include "configs/rules.hpp"

#include <algorithm>
#include <cstdlib>

#include "configs/derive.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

using Broken = std::optional<Problem>;

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

Broken micro_batch_divides_batch(const Config& config) {
  const std::int64_t batch = config.training.batch_size;
  const std::int64_t micro = resolved_micro_batch_size(config);
  if (batch % micro == 0) return std::nullopt;
  const double largest = find_parameter("training", "micro_batch_size")->bounds.high;
  const std::int64_t divisor = nearest_divisor(batch, micro, static_cast<std::int64_t>(largest));
  return Problem{"training.micro_batch_size = " + number(micro) +
                     " does not divide training.batch_size = " + number(batch),
                 "every micro-batch of a step has the same size", "take " + number(divisor) + " or \"auto\""};
}

Broken samples_fill_a_step(const Config& config) {
  const std::int64_t step = config.training.batch_size * config.training.gradient_accumulation_steps;
  const std::int64_t samples = config.data.train_samples;
  if (samples == 0 || samples >= step) return std::nullopt;
  return Problem{"data.train_samples = " + number(samples) + " is less than one step takes",
                 "a step takes batch_size * gradient_accumulation_steps = " + number(step) + " samples",
                 "take more samples or a smaller batch"};
}

Broken one_warmup(const Config& config) {
  const auto& schedule = config.schedule;
  std::vector<std::string> given;
  if (schedule.warmup_steps != 0) given.push_back("schedule.warmup_steps");
  if (schedule.warmup_ratio != 0) given.push_back("schedule.warmup_ratio");
  if (schedule.warmup_epochs != 0) given.push_back("schedule.warmup_epochs");
  if (given.size() < 2) return std::nullopt;
  return Problem{"the warm-up is given more than once", "given are " + joined(given, " and "),
                 "keep one and set the others to 0"};
}

Broken warmup_within_run(const Config& config) {
  if (config.schedule.warmup_epochs <= config.training.epochs) return std::nullopt;
  return Problem{
      "schedule.warmup_epochs = " + number(config.schedule.warmup_epochs) + " is longer than the run",
      "training.epochs = " + number(config.training.epochs), "shorten the warm-up"};
}

Broken schedule_lowers(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.name == "constant" || schedule.min_lr <= config.optimizer.learning_rate) return std::nullopt;
  return Problem{"schedule.min_lr = " + real_text(schedule.min_lr) +
                     " is above optimizer.learning_rate = " + real_text(config.optimizer.learning_rate),
                 "the schedule only lowers the learning rate", "lower min_lr or raise learning_rate"};
}

Broken step_is_reached(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.name != "step" || schedule.step_epochs < config.training.epochs) return std::nullopt;
  return Problem{"schedule.step_epochs = " + number(schedule.step_epochs) + " is never reached",
                 "training.epochs = " + number(config.training.epochs) + ", so the learning rate never drops",
                 "lower step_epochs or set schedule.name = \"constant\""};
}

Broken nesterov_has_momentum(const Config& config) {
  const auto& optimizer = config.optimizer;
  if (optimizer.name != "sgd" || !optimizer.nesterov || optimizer.momentum > 0) return std::nullopt;
  return Problem{"optimizer.nesterov = true has no effect with optimizer.momentum = 0",
                 "Nesterov's step looks ahead along the momentum", "set nesterov = false or momentum = 0.9"};
}

Broken mlp_has_hidden_layer(const Config& config) {
  if (config.model.name != "mlp" || !config.model.hidden_sizes.empty()) return std::nullopt;
  return Problem{"model.hidden_sizes = [] leaves the mlp without a hidden layer", "it needs one at least",
                 "write for example hidden_sizes = [256]"};
}

Broken mean_and_std_match(const Config& config) {
  const auto means = std::ssize(config.data.mean), deviations = std::ssize(config.data.std);
  if (means == deviations) return std::nullopt;
  return Problem{"data.mean and data.std differ in length",
                 number(means) + " and " + number(deviations) + " numbers, auto counting as none",
                 "give one number per channel in both, or \"auto\" in both"};
}

}  // namespace

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {{"training.micro_batch_size", "training.batch_size"},
       "training.micro_batch_size divides training.batch_size.",
       micro_batch_divides_batch},
      {{"data.train_samples", "training.batch_size", "training.gradient_accumulation_steps"},
       "data.train_samples, unless it is 0, is at least batch_size * gradient_accumulation_steps.",
       samples_fill_a_step},
      {{"schedule.warmup_steps", "schedule.warmup_ratio", "schedule.warmup_epochs"},
       "At most one of schedule.warmup_steps, warmup_ratio and warmup_epochs is above 0.",
       one_warmup},
      {{"schedule.warmup_epochs", "training.epochs"},
       "schedule.warmup_epochs is at most training.epochs.",
       warmup_within_run},
      {{"schedule.min_lr", "optimizer.learning_rate", "schedule.name"},
       "schedule.min_lr is at most optimizer.learning_rate, unless schedule.name is constant.",
       schedule_lowers},
      {{"schedule.step_epochs", "schedule.name", "training.epochs"},
       "schedule.step_epochs is less than training.epochs where schedule.name is step.",
       step_is_reached},
      {{"optimizer.nesterov", "optimizer.momentum", "optimizer.name"},
       "optimizer.nesterov needs optimizer.momentum above 0 where optimizer.name is sgd.",
       nesterov_has_momentum},
      {{"model.hidden_sizes", "model.name"},
       "model.hidden_sizes has one width at least where model.name is mlp.",
       mlp_has_hidden_layer},
      {{"data.mean", "data.std"},
       "data.mean and data.std have as many numbers, or are both auto.",
       mean_and_std_match},
  };
  return list;
}

std::vector<const Rule*> rules_on(const Parameter& row) {
  std::vector<const Rule*> found;
  for (const Rule& rule : rules()) {
    if (std::ranges::count(rule.names, row.name()) > 0) found.push_back(&rule);
  }
  return found;
}

std::vector<BrokenRule> broken_rules(const Config& config) {
  std::vector<BrokenRule> broken;
  for (const Rule& rule : rules()) {
    if (auto problem = rule.broken(config)) broken.push_back({rule.names, *problem});
  }
  return broken;
}

}  // namespace lockstep
