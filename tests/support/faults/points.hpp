// The points of a run at which a test can inject a fault into a rank: each operation on a file in the run
// folder, each message, the beginning of each phase. Preloaded into a worker, whose own code knows nothing of
// it. Environment variables say what to do:
//   FAULT_UNDER  the run folder, an absolute path; without it nothing is a point
//   FAULT_LOG    a file: a line "RANK POINT" is added for each point of each rank; with FAULT_POINT, one line
//                "PROCESS POINT" when that point is reached
//   FAULT_RANK, FAULT_POINT, FAULT_KIND
//                at this point of this rank:
//                  kill    it kills itself, as kill -9 does
//                  stop    it stops itself, as kill -STOP does
//                  torn    a write writes the first half, then the rank kills itself
//                  enospc  the operation does nothing and fails: the disk is full
//                  eio     the operation does nothing and fails: the disk is broken
//                  cut     from here on no message leaves or reaches this rank
// A point is called "OPERATION WHAT #N", the N-th time in this process. Unlike one number for all points,
// that name is the same in every run, whichever of a rank's threads is first.
#pragma once

#include <string>

namespace lockstep::faults {

/// What the caller must do instead of its operation.
struct Order {
  int error = 0;      ///< fail with this errno; 0: do not fail
  bool torn = false;  ///< write the first half, then die()
};

/// This process is about to do `operation` on `what`. Does not return if the process is to be killed here.
Order reach(const std::string& operation, const std::string& what);

[[noreturn]] void die();

/// True once the links of this rank are cut.
bool is_cut();

}  // namespace lockstep::faults

extern "C" {
/// Called by a worker that reports its phases (phase_points.cpp); undefined there if nothing is preloaded.
void lockstep_reach_phase(const char* phase);
}
