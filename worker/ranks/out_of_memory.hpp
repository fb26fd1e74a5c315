// How a rank that is refused memory reports it and exits.
#pragma once

#include <exception>
#include <optional>
#include <string>

namespace lockstep {

/// Ends the process with ExitCode::out_of_memory, without MPI_Finalize, which would wait for peers: mpirun
/// and srun then end the other ranks. Prints on standard error which rank was refused memory, why, and what
/// to lower.
[[noreturn]] void leave_out_of_memory(int rank, const std::string& why, const std::string& what_to_lower);

/// Why memory was refused, if that is what `error` reports: by C++, by LibTorch on a CPU or a GPU, or by CUDA
/// or one of its libraries when LibTorch asked; else nullopt.
std::optional<std::string> why_no_memory(const std::exception& error);

/// Releases the GPU memory that LibTorch's allocator has cached and does not use.
void give_back_unused_gpu_memory();

/// From now on this process ends by leave_out_of_memory() as soon as LibTorch is refused GPU memory even
/// after it has released its cached blocks. This must not be left to LibTorch: if the workspace of a
/// convolution does not fit, it silently takes cuDNN's next algorithm, which gives other bits. Call once,
/// after libtorch_cuda is loaded. Throws Error (config) when the environment has chosen an allocator that
/// cannot be observed.
void end_when_gpu_memory_is_refused(int rank);

}  // namespace lockstep
