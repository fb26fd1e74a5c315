// Starts a run again when a rank, a host or a link has failed, on what is left.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/mpirun.hpp"
#include "launcher/process.hpp"

namespace lockstep {

struct Supervision {
  std::string run;                ///< the run folder; empty: nothing is started again
  std::int64_t max_restarts = 0;  ///< in a row, without a newer checkpoint in between
  bool gpus = true;               ///< the ranks may compute on GPUs
  bool for_people = true;         ///< on standard error; otherwise JSON lines on standard output as well
};

/// Runs the launch to its end. When it fails for want of a rank or a host, says which failed first and why
/// (rank, host, phase, signal or exit code, last lines of its log), sets hosts aside that do not answer, that
/// have failed twice in a row, or whose ranks computed wrongly, and GPUs that failed
/// (RUN/status/set_aside.json), and starts it again with as many ranks as have room on the rest; at once when
/// a checkpoint was saved since the last start, and otherwise after a pause that doubles. Returns how the
/// last start ended. Throws Error (io) when the program cannot be started.
Ending supervise(Launch launch, const Supervision& supervision);

}  // namespace lockstep
