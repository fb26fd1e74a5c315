// The training run: one loop, every stage in order.
#pragma once

#include <cstdint>

#include "worker/run.hpp"

namespace lockstep {

/// Collective: takes steps until `run.last_step` are done, or until early stopping or a signal ends the run.
/// Returns 0, or 128 + the signal, for which all has been saved. Throws Error, the same on all ranks, and
/// CollectiveError.
int train(Run& run);

/// Collective: trains `plan` from its newest checkpoint, or from the start, to its end, and leaves its
/// result. Returns the exit status of the process: 0, or 128 + the signal that stopped it in an orderly way.
/// Throws as train(), and Interrupted where a signal comes before the first step.
int train_run(Job& job, RunReport& report, const Plan& plan);

/// Collective: repeats the accuracies of the newest checkpoint of the run in plan.output. Throws Error,
/// CollectiveError, Interrupted.
void evaluate_run(Job& job, RunReport& report, Plan plan);

}  // namespace lockstep
