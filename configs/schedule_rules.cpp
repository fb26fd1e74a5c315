#include <algorithm>
#include <functional>

#include "configs/derive.hpp"
#include "configs/rule_functions.hpp"
#include "configs/text.hpp"

namespace lockstep {

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
  const double highest = scaled_learning_rate(config);
  if (is_one_of(schedule.name, {"constant", "onecycle"}) || schedule.min_lr <= highest) return std::nullopt;
  const bool scaled = config.optimizer.lr_scaling != "none";
  return Problem{"schedule.min_lr = " + real_text(schedule.min_lr) + " is above optimizer.learning_rate = " +
                     real_text(highest) + (scaled ? " after lr_scaling" : ""),
                 "the schedule only lowers the learning rate", "lower min_lr or raise learning_rate"};
}

Broken step_is_reached(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.name != "step" || schedule.step_epochs < config.training.epochs) return std::nullopt;
  return Problem{"schedule.step_epochs = " + number(schedule.step_epochs) + " is never reached",
                 "training.epochs = " + number(config.training.epochs) + ", so the learning rate never drops",
                 "lower step_epochs or set schedule.name = \"constant\""};
}

Broken milestones_rise(const Config& config) {
  const auto& milestones = config.schedule.milestones;
  if (config.schedule.name != "multistep") return std::nullopt;
  const bool rising = std::ranges::adjacent_find(milestones, std::greater_equal<>()) == milestones.end();
  const bool reached = !milestones.empty() && milestones.front() < config.training.epochs;
  return unless(
      rising && reached,
      {std::string("schedule.milestones ") + (rising ? "are never reached" : "do not rise"),
       "training.epochs = " + number(config.training.epochs) + "; they are epochs of the run in order",
       "write for example milestones = [" + number(std::max<Integer>(config.training.epochs / 2, 1)) + "]"});
}

Broken cooldown_leaves_time(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.cooldown_epochs == 0) return std::nullopt;
  if (is_one_of(schedule.name, {"constant", "onecycle", "plateau"})) {
    return Problem{"schedule.cooldown_epochs has no meaning where schedule.name = " + quoted(schedule.name),
                   "it does not end at min_lr before the run does", "set cooldown_epochs = 0"};
  }
  return unless(
      schedule.cooldown_epochs + schedule.warmup_epochs < config.training.epochs,
      {"schedule.cooldown_epochs = " + number(schedule.cooldown_epochs) + " leaves no epoch to the schedule",
       "training.epochs = " + number(config.training.epochs), "shorten the cool-down"});
}

Broken onecycle_warms_up_itself(const Config& config) {
  const auto& s = config.schedule;
  return unless(s.name != "onecycle" || (s.warmup_steps == 0 && s.warmup_ratio == 0 && s.warmup_epochs == 0),
                {"schedule.name = \"onecycle\" has a warm-up of its own", "another one is given as well",
                 "set warmup_steps, warmup_ratio and warmup_epochs to 0; onecycle_rise is its length"});
}

Broken swa_starts_in_time(const Config& config) {
  const auto start = config.averaging.swa_start_epoch;
  return unless(
      !config.averaging.use_swa || !start || *start < config.training.epochs,
      {"averaging.swa_start_epoch = " + number(start.value_or(0)) + " is not before the end of the run",
       "training.epochs = " + number(config.training.epochs), "lower it, or write \"auto\""});
}

Broken swa_lr_has_no_cooldown(const Config& config) {
  return unless(!config.averaging.use_swa || !config.averaging.swa_lr || config.schedule.cooldown_epochs == 0,
                {"averaging.swa_lr and schedule.cooldown_epochs are both given",
                 "both say what the learning rate is at the end of the run",
                 "set cooldown_epochs = 0 or swa_lr = \"auto\""});
}

}  // namespace lockstep
