// Verifies that a run on disk is what its plan computes.
#pragma once

#include "worker/controller/plan.hpp"
#include "worker/controller/report.hpp"
#include "worker/controller/request.hpp"
#include "worker/ranks/job.hpp"

namespace lockstep {

/// Collective: computes segments of the run in plan.output again, on these ranks, and compares bit by bit:
/// the hash of the state and of each array with the later checkpoint, all lines of metrics.jsonl, the hashes
/// of data and plan, and, if the run is complete, its result and the weights that it exported. Of the
/// segments between two kept checkpoints, request.segments are chosen by request.choice. The segment to the
/// end of a finished run is always verified too, and with request.from_start the one from the initial
/// weights. Writes nothing. Reports on rank 0 which segments are equal, and where one first differs. Returns
/// the exit status: 0, ExitCode::io if any differs, 128 + a signal. Throws Error as train(), (io) for a
/// damaged checkpoint or changed data, (config) if there is nothing to verify; CollectiveError.
int verify_run(Job& job, RunReport& report, const Plan& plan, const Request& request);

}  // namespace lockstep
