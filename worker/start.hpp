// From the plan of a run to all that it computes with.
#pragma once

#include <memory>

#include "worker/controller/plan.hpp"
#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Data, model, and the state that they are at.
struct Loaded {
  std::unique_ptr<Workload> workload;
  TrainingState state;
};

/// Collective: opens the data, makes the model, and fills the state: from the newest checkpoint, from that of
/// plan.segment, or with initial or pretrained weights. With `bits` the fixed micro-batch is computed before,
/// its hash compared between all ranks and with the checkpoint's, and returned there; for who computes on
/// from the state. Sets plan.grown_from as it is from here on. Throws Error, the same on all ranks: (config)
/// where a run is to be evaluated that has no checkpoint; CollectiveError; Interrupted.
Loaded load(Job& job, Plan& plan, Hash128* bits);

/// Where the run of `plan` keeps its checkpoints.
inline std::string checkpoints_of(const Plan& plan) { return plan.output + "/checkpoint"; }

}  // namespace lockstep
