// What a rank does that is refused memory: it says so, and ends.
#pragma once

#include <string>

namespace lockstep {

/// Ends the process with ExitCode::out_of_memory, without MPI_Finalize, which would wait for peers: mpirun
/// and srun then end the other ranks. Says on standard error which rank was refused, why, and what to lower.
[[noreturn]] void leave_out_of_memory(int rank, const std::string& why, const std::string& what_to_lower);

/// From now on this process ends so as soon as LibTorch is refused memory on a GPU for good, with its cached
/// blocks already given back. It must not be left to LibTorch: where the workspace of a convolution does not
/// fit, cuDNN's next algorithm is taken in silence, with other bits. Call once, after libtorch_cuda is
/// loaded. Throws Error (config) when the environment has chosen an allocator that does not tell.
void end_when_gpu_memory_is_refused(int rank);

}  // namespace lockstep
