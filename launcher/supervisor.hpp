// Restarts a run after a rank, a host or a link has failed, on the remaining hosts and GPUs.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/mpirun.hpp"
#include "launcher/process.hpp"

namespace lockstep {

struct Supervision {
  std::string run;                ///< the run folder; empty: no restarts
  std::int64_t max_restarts = 0;  ///< in a row without a newer checkpoint in between
  bool gpus = true;               ///< the ranks may compute on GPUs
  bool for_people = true;         ///< if false, restarts are also JSON lines on standard output
};

/// Runs the launch to its end. If it fails because a rank or a host was lost, reports which failed first and
/// why (rank, host, phase, signal or exit code, last lines of its log). Sets aside hosts that do not answer,
/// that have failed twice in a row, or whose ranks computed wrong results, and GPUs that failed
/// (RUN/status/set_aside.json). Then restarts with as many ranks as the rest has room for: immediately if a
/// checkpoint was saved since the last start, otherwise after a pause that doubles each time. Returns how
/// the last start ended. Throws Error (io) if the program cannot be started.
Ending supervise(Launch launch, const Supervision& supervision);

}  // namespace lockstep
