// Loads, from the plan of a run, all that it computes with.
#pragma once

#include <memory>

#include "worker/controller/plan.hpp"
#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Data, model, and state of a run.
struct Loaded {
  std::unique_ptr<Workload> workload;
  TrainingState state;
};

/// Collective: opens the data, makes the model, and fills the state: from the newest checkpoint, from that of
/// plan.segment, or with initial or pretrained weights. With `bits`, which callers need that compute further
/// steps, the fixed micro-batch is computed first; its hash is compared between all ranks and with the
/// checkpoint's, and stored in `bits`. Sets plan.grown_from to its new value. Throws Error, the same on all
/// ranks: (config) if a run without a checkpoint is to be evaluated; CollectiveError; Interrupted.
Loaded load(Job& job, Plan& plan, Hash128* bits);

/// Where the run of `plan` keeps its checkpoints.
inline std::string checkpoints_of(const Plan& plan) { return plan.output + "/checkpoint"; }

}  // namespace lockstep
