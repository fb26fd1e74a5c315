// The run: one loop, every stage in order.
#pragma once

#include "collectives/host_memory.hpp"
#include "worker/controller/controller.hpp"
#include "worker/ranks/compute.hpp"

namespace lockstep {

/// Collective: trains `plan` from its newest checkpoint, or from the start, to its end. Returns the exit
/// status of the process: 0, or 128 + the signal that stopped it in an orderly way. Throws Error, the same on
/// all ranks, and CollectiveError. Task::verify computes plan.segment instead and writes nothing:
/// Controller::comparison() gets all that a run would write.
int train(HostMemory& memory, const Compute& compute, Controller& controller, Plan plan);

/// Collective: repeats the accuracies of the newest checkpoint of the run in plan.output. Throws as train().
void evaluate_run(HostMemory& memory, const Compute& compute, Controller& controller, const Plan& plan);

}  // namespace lockstep
