#include "worker/state/decisions.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/error.hpp"
#include "common/log.hpp"
#include "configs/derive.hpp"
#include "configs/registry.hpp"

namespace lockstep {
namespace {

constexpr double first_dynamic_scale = 65536;
constexpr std::int64_t steps_until_growth = 2000, most_skips_in_a_row = 100;

/// Calls `action(key, field)` for every field.
template <class D, class Action>
void for_each_field(D& decisions, const Action& action) {
  action("best", decisions.best);
  action("epochs_since_best", decisions.epochs_since_best);
  action("stopped", decisions.stopped);
  action("plateau_best", decisions.plateau_best);
  action("epochs_on_plateau", decisions.epochs_on_plateau);
  action("drops", decisions.drops);
  action("loss_scale", decisions.loss_scale);
  action("steps_since_skip", decisions.steps_since_skip);
  action("skipped_steps", decisions.skipped_steps);
  action("swa_members", decisions.swa_members);
}

/// The value of the metric that early stopping watches, with the sign such that larger is better.
double watched_by_early_stopping(const Config::Training& settings, const Accuracy& accuracy) {
  const auto& evaluation = watches_average(settings) ? *accuracy.ema : accuracy.raw;
  return settings.early_stopping_metric.ends_with("loss") ? -evaluation.loss : evaluation.accuracy();
}

void judge_plateau(Decisions& decisions, const Config::Schedule& settings, const Evaluation& evaluation) {
  const bool loss = settings.plateau_metric == "loss";
  const double value = loss ? evaluation.loss : evaluation.accuracy();
  const double share = settings.plateau_threshold;
  const bool first = decisions.epochs_on_plateau < 0;
  if (first && !std::isfinite(value)) return;
  if (first ||
      (loss ? value < decisions.plateau_best * (1 - share) : value > decisions.plateau_best * (1 + share))) {
    decisions.plateau_best = value;
    decisions.epochs_on_plateau = 0;
  } else if (++decisions.epochs_on_plateau > settings.plateau_patience) {
    ++decisions.drops;
    decisions.epochs_on_plateau = 0;
  }
}

}  // namespace

bool judges_epochs(const Config& config) {
  return config.training.early_stopping || config.schedule.name == "plateau";
}

bool judge_epoch(Decisions& decisions, const Config& config, const Accuracy& accuracy) {
  if (config.schedule.name == "plateau") judge_plateau(decisions, config.schedule, accuracy.raw);
  if (!config.training.early_stopping) return false;
  const double value = watched_by_early_stopping(config.training, accuracy);
  const bool first = decisions.epochs_since_best < 0;
  if (first && !std::isfinite(value)) return false;
  if (first || value > decisions.best + config.training.early_stopping_min_delta) {
    decisions.best = value;
    decisions.epochs_since_best = 0;
    return true;
  }
  decisions.stopped = ++decisions.epochs_since_best >= config.training.early_stopping_patience;
  return false;
}

Decisions first_decisions(const Config& config, bool scales_loss) {
  Decisions decisions;
  if (scales_loss)
    decisions.loss_scale = number_in(config.precision.loss_scale).value_or(first_dynamic_scale);
  return decisions;
}

bool judge_gradients(Decisions& decisions, const Config& config, bool finite) {
  const bool dynamic = !number_in(config.precision.loss_scale);
  auto& steps = decisions.steps_since_skip;
  if (finite) {
    steps = std::max<std::int64_t>(steps, 0) + 1;
    if (dynamic && steps == steps_until_growth) {
      decisions.loss_scale *= 2;
      steps = 0;
    }
    return true;
  }
  ++decisions.skipped_steps;
  steps = std::min<std::int64_t>(steps, 0) - 1;
  if (dynamic) decisions.loss_scale /= 2;
  if (steps < -most_skips_in_a_row) {
    throw Error(ExitCode::diverged, "no gradient of the last 100 steps was finite",
                "the loss scale is " + limit_text(decisions.loss_scale),
                dynamic ? "lower optimizer.learning_rate, or set precision.mixed_precision = \"none\""
                        : "lower precision.loss_scale, or set it to \"dynamic\"");
  }
  return false;
}

void require_effective_steps(const Decisions& decisions, const Config& config, std::int64_t steps) {
  const auto skipped = decisions.skipped_steps;
  if (2 * skipped <= steps) return;
  const bool dynamic = !number_in(config.precision.loss_scale);
  const std::string problem =
      skipped < steps ? "most steps of the run were skipped" : "every step of the run was skipped";
  const auto why = std::to_string(skipped) + " of " + std::to_string(steps) +
                   " had a gradient that overflows fp16; the loss scale is " +
                   limit_text(decisions.loss_scale);
  const auto remedy =
      dynamic ? "let the run go on with a larger training.max_steps or training.epochs, as the scale falls "
                "until nothing overflows, or set precision.mixed_precision = \"bf16\" in another run"
              : "lower precision.loss_scale, or set it to \"dynamic\", in another run";
  constexpr std::int64_t enough = 20;  // steps to halve a scale by a million
  if (skipped == steps && (!dynamic || steps >= enough))
    throw Error(ExitCode::diverged, problem, why, remedy);
  log_warning(problem + " (" + why + ") " + remedy);
}

nlohmann::json to_json(const Decisions& decisions) {
  nlohmann::json object;
  for_each_field(decisions, [&](const char* key, const auto& field) { object[key] = field; });
  return object;
}

Decisions decisions_from_json(const nlohmann::json& object) {
  Decisions decisions;
  for_each_field(decisions, [&](const char* key, auto& field) { object.at(key).get_to(field); });
  return decisions;
}

}  // namespace lockstep
