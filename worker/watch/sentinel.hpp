// A small process beside each rank, which outlives it: it writes how the rank stands into the run folder,
// says who holds the run up, and how the rank ended.
#pragma once

namespace lockstep {

/// Makes a child of this process, in which it returns and which becomes the rank; the process itself stays
/// behind as the sentinel, ends when the rank has ended, in the same way, and never returns. Signals that
/// reach the sentinel go on to the rank; when the sentinel is killed, the rank is too. To be called before
/// MPI and any thread are started. Where no process can be made, it returns and the rank has no sentinel.
void become_watched();

}  // namespace lockstep
