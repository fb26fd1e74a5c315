// What a rank does that is refused memory: it says so, and ends.
#pragma once

#include <exception>
#include <optional>
#include <string>

namespace lockstep {

/// Ends the process with ExitCode::out_of_memory, without MPI_Finalize, which would wait for peers: mpirun
/// and srun then end the other ranks. Says on standard error which rank was refused, why, and what to lower.
[[noreturn]] void leave_out_of_memory(int rank, const std::string& why, const std::string& what_to_lower);

/// Why `error` was thrown, if memory was refused: by C++, by LibTorch for a CPU or a GPU, or by CUDA or a
/// library on it where LibTorch asked.
std::optional<std::string> why_no_memory(const std::exception& error);

/// Gives the GPU back what LibTorch's allocator holds of its memory and does not use.
void give_back_unused_gpu_memory();

/// From now on this process ends so as soon as LibTorch is refused memory on a GPU for good, with its cached
/// blocks already given back. It must not be left to LibTorch: where the workspace of a convolution does not
/// fit, cuDNN's next algorithm is taken in silence, with other bits. Call once, after libtorch_cuda is
/// loaded. Throws Error (config) when the environment has chosen an allocator that does not tell.
void end_when_gpu_memory_is_refused(int rank);

}  // namespace lockstep
