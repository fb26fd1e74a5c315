// Whether a run on disk is what its plan computes.
#pragma once

#include "worker/controller/plan.hpp"
#include "worker/controller/report.hpp"
#include "worker/controller/request.hpp"
#include "worker/ranks/job.hpp"

namespace lockstep {

/// Collective: computes segments of the run in plan.output again, on these ranks, and compares bit by bit:
/// the hash of the state and of each array with the later checkpoint, all lines of metrics.jsonl, the hashes
/// of data and plan, and where the run is complete its result and the weights that it left. Of the segments
/// between two kept checkpoints request.segments are chosen by request.choice; the one to the end of a
/// finished run is always among them, and with request.from_start the one from the initial weights. Writes
/// nothing. Says on rank 0 which are equal, and where one is not equal first. Returns the exit status: 0,
/// ExitCode::io when any is not equal, 128 + a signal. Throws Error as train(), (io) for a damaged checkpoint
/// or changed data, (config) when there is nothing to verify; CollectiveError.
int verify_run(Job& job, RunReport& report, const Plan& plan, const Request& request);

}  // namespace lockstep
