// The sentinel: a small process beside each rank that outlives it. It writes the rank's status into the run
// folder, and reports which ranks hold the run up and how its rank ended.
#pragma once

namespace lockstep {

/// Forks. The child returns and becomes the rank. The parent becomes the sentinel and never returns: it ends
/// when the rank has ended, with the same exit code or signal. The sentinel passes on to the rank the signals
/// that ask a process to end; when the sentinel is killed, so is the rank. Call before MPI_Init and before
/// any thread is started. If fork() fails, returns in this process, and the rank has no sentinel.
void fork_sentinel();

}  // namespace lockstep
