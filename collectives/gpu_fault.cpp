#include "collectives/gpu_fault.hpp"

#include <cuda_runtime_api.h>

#include "collectives/gpu.hpp"
#include "common/nvml.hpp"

namespace lockstep {

GpuFault gpu_fault(int cuda_error) {
  switch (cuda_error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorContained:
      return GpuFault::memory;
    case cudaErrorNvlinkUncorrectable:
      return GpuFault::link;
    case cudaErrorIllegalAddress:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return GpuFault::kernel;
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoDevice:
    case cudaErrorDeviceUninitialized:
    case cudaErrorSystemNotReady:
    case cudaErrorUnknown:
      return GpuFault::gone;
    default:
      return GpuFault::none;
  }
}

GpuFailure::GpuFailure(int cuda_error, const std::string& when)
    : GpuFailure(gpu_fault(cuda_error), "CUDA error " + std::to_string(cuda_error) + ": " +
                                            cudaGetErrorString(static_cast<cudaError_t>(cuda_error)) + ", " +
                                            when) {}

std::optional<Error> refused_gpu_memory(int cuda_error, const std::string& gpu, const std::string& action) {
  if (cuda_error != cudaErrorMemoryAllocation) return std::nullopt;
  return Error(ExitCode::out_of_memory, gpu + " has no memory left to " + action,
               cudaGetErrorString(cudaErrorMemoryAllocation),
               "lower training.micro_batch_size (another run), or end what else uses this GPU");
}

std::optional<GpuFailure> gpu_fault_now(const std::string& address) {
  // On a GPU that nobody has selected, a query would only set up a context, on that of another rank.
  const int own = selected_gpu();
  const auto before = cudaGetLastError();
  const auto selected = own >= 0 ? cudaSetDevice(own) : cudaSuccess;
  const auto now = own >= 0 && selected == cudaSuccess ? cudaStreamQuery(cudaStreamLegacy) : cudaSuccess;
  for (const auto result : {before, selected, now}) {
    if (gpu_fault(result) != GpuFault::none) return GpuFailure(result, "which every call meets");
  }
  cudaGetLastError();  // clears what the query of a busy stream leaves for LibTorch to find
  const auto health = health_within(address, patience_with_nvml);
  if (health.lost) return GpuFailure(GpuFault::gone, "it has fallen off the bus, as NVML finds");
  if (health.reset_required)
    return GpuFailure(GpuFault::reset, "it does not work until it is reset, as NVML finds");
  return std::nullopt;
}

}  // namespace lockstep
