// What rank 0 orders for each step.
#pragma once

#include <cstdint>

#include "collectives/transport.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// What all ranks do in and after one step. Trivially copyable: it travels as bytes.
struct Orders {
  StepScalars scalars;
  double ema_decay;
  bool estimate_curvature;    ///< before the step
  bool add_to_mean;           ///< after the step the weights enter the mean of SWA
  bool evaluate, save, stop;  ///< after the step
  int signal;                 ///< that asked a rank to end, or 0: then there is no step any more
};

/// Collective: the orders for the next step, or the signal that asks rank 0 to end instead. Throws
/// CollectiveError.
Orders next_orders(Transport& transport, const Workload& workload, const TrainingState& state);

/// Whether the accuracy is measured, and judged for the decisions, when `steps_done` are done.
bool evaluates_after(const Workload& workload, std::int64_t steps_done);
bool judges_after(const Workload& workload, std::int64_t steps_done);
/// Whether metrics.jsonl gets a line for the step with which `steps_done` are done.
bool logs_after(const Workload& workload, std::int64_t steps_done);

}  // namespace lockstep
