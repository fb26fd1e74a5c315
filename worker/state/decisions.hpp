// What earlier results have decided for the steps to come: early stopping, the drops of a plateau schedule,
// the loss scale. All of it follows from sums and counts that are the same on every rank, and is part of the
// state.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "configs/config.hpp"
#include "worker/state/accuracy.hpp"

namespace lockstep {

/// Trivially copyable, without padding: it is hashed as bytes.
struct Decisions {
  double best = 0;                      ///< early stopping: the best value of its metric
  std::int64_t epochs_since_best = -1;  ///< -1: no epoch has been judged yet
  std::int64_t stopped = 0;             ///< 1: early stopping has ended the run
  double plateau_best = 0;
  std::int64_t epochs_on_plateau = -1;  ///< -1: no epoch has been judged yet
  std::int64_t drops = 0;               ///< of the learning rate, by the plateau schedule
  double loss_scale = 0;                ///< 0: the loss is not scaled
  std::int64_t steps_since_skip = 0;    ///< below 0: so many steps in a row were skipped
  std::int64_t skipped_steps = 0;
  std::int64_t swa_members = 0;  ///< of the mean of SWA

  bool operator==(const Decisions&) const = default;
};

/// True when each epoch must be evaluated for the decisions of `config`.
bool judges_epochs(const Config& config);

/// After an epoch. Early stopping as in Keras: the run ends after early_stopping_patience epochs without an
/// improvement of more than min_delta. Plateau as torch.optim.lr_scheduler.ReduceLROnPlateau with a relative
/// threshold. A value that is not finite is no improvement. Returns whether early stopping has seen its best
/// epoch so far.
bool judge_epoch(Decisions& decisions, const Config& config, const Accuracy& accuracy);

/// The decisions before step 0; `scales_loss`: the run computes in fp16.
Decisions first_decisions(const Config& config, bool scales_loss);

/// After the gradients of a step where the loss is scaled: as torch.amp.GradScaler, which halves a dynamic
/// scale after a step with an overflow and doubles it after 2000 without. Returns whether the step counts.
bool judge_gradients(Decisions& decisions, const Config& config, bool finite);

/// At the end of a run of `steps` steps: throws Error (diverged) where every one of them was skipped, unless
/// they were so few that a dynamic scale was still on its way down, and warns where most were.
void require_steps_that_count(const Decisions& decisions, const Config& config, std::int64_t steps);

nlohmann::json to_json(const Decisions& decisions);
Decisions decisions_from_json(const nlohmann::json& object);

}  // namespace lockstep
