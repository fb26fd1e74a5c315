// Decisions that earlier results have made for the steps to come: early stopping, the learning-rate drops of
// the plateau schedule, the loss scale. All follow from sums and counts that are the same on every rank; they
// are part of the state.
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
  std::int64_t drops = 0;               ///< how often the plateau schedule has lowered the rate
  double loss_scale = 0;                ///< 0: the loss is not scaled
  std::int64_t steps_since_skip = 0;    ///< -n: the last n steps were skipped
  std::int64_t skipped_steps = 0;
  std::int64_t swa_members = 0;  ///< weights in the SWA mean so far

  bool operator==(const Decisions&) const = default;
};

/// True when each epoch must be evaluated for the decisions of `config`.
bool judges_epochs(const Config& config);

/// Updates `decisions` after an epoch. Not collective: every rank computes the same. Early stopping as in
/// Keras: the run ends after early_stopping_patience epochs without an improvement of more than
/// early_stopping_min_delta. Plateau as torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold.
/// A value that is not finite is no improvement. Returns whether this is the best epoch so far for early
/// stopping.
bool judge_epoch(Decisions& decisions, const Config& config, const Accuracy& accuracy);

/// The decisions before step 0; `scales_loss`: the run computes in fp16.
Decisions first_decisions(const Config& config, bool scales_loss);

/// Updates the loss scale after the gradients of a step, as torch.amp.GradScaler: a dynamic scale is halved
/// after a step with an overflow (not `finite`) and doubled after 2000 steps without one. Returns whether the
/// step counts. Throws Error (diverged) when more than 100 steps in a row have been skipped.
bool judge_gradients(Decisions& decisions, const Config& config, bool finite);

/// At the end of a run of `steps` steps: throws Error (diverged) if every step was skipped, unless there were
/// so few (below 20) that a dynamic scale was still falling; warns if more than half were skipped.
void require_effective_steps(const Decisions& decisions, const Config& config, std::int64_t steps);

/// The fields by name. decisions_from_json() throws nlohmann::json::exception if one is missing or has
/// another type.
nlohmann::json to_json(const Decisions& decisions);
Decisions decisions_from_json(const nlohmann::json& object);

}  // namespace lockstep
