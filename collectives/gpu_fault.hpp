// When a GPU itself has failed, and not the program or the settings.
#pragma once

#include <optional>
#include <string>

#include "common/error.hpp"

namespace lockstep {

/// What an error of the CUDA runtime (a cudaError_t) says of the GPU.
enum class GpuFault {
  none,    ///< nothing: the program, the host or the settings are to blame
  memory,  ///< an error of its memory that ECC could not correct
  link,    ///< an error of NVLink
  kernel,  ///< a kernel has come to nothing: the GPU, or a mistake in the kernel
  reset,   ///< it does not work until it is reset
  gone,    ///< there is no such GPU, or no answer from it. At the start of a process that may be its settings
};
GpuFault gpu_fault(int cuda_error);

/// This rank's GPU has failed. The rank leaves at once and alone; its peers only notice that it is gone.
class GpuFailure : public Error {
 public:
  /// `why`: what CUDA or NVML said.
  GpuFailure(GpuFault fault, const std::string& why)
      : Error(ExitCode::gpu_failed, "the GPU has failed", why), fault_(fault), why_(why) {}
  /// `when`: "when it was to ...". `cuda_error` is a fault.
  GpuFailure(int cuda_error, const std::string& when);

  GpuFault fault() const { return fault_; }
  const std::string& why() const { return why_; }

 private:
  GpuFault fault_;
  std::string why_;
};

/// Error (out_of_memory) if `cuda_error` says that memory was refused: "`gpu` has no memory left to
/// `action`". Any CUDA call may allocate: the code of a kernel is loaded when it first runs.
std::optional<Error> refused_gpu_memory(int cuda_error, const std::string& gpu, const std::string& action);

/// For libraries that report only that something has failed, such as NCCL and cuDNN: what CUDA, or else NVML,
/// reports about this process's GPU (select_gpu), which is at `address`, if it is a fault. Selects that GPU,
/// since the calling thread may not have. Does not wait for the GPU.
std::optional<GpuFailure> gpu_fault_now(const std::string& address);

}  // namespace lockstep
