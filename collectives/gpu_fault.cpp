#include "collectives/gpu_fault.hpp"

#ifdef LOCKSTEP_WITH_NCCL
#include <cuda_runtime_api.h>
#endif

#include <chrono>

#include "common/nvml.hpp"

namespace lockstep {

#ifdef LOCKSTEP_WITH_NCCL

namespace {

constexpr auto patience_with_nvml = std::chrono::milliseconds(500);

}  // namespace

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

std::optional<GpuFailure> gpu_fault_now(const std::string& address) {
  for (const auto result : {cudaGetLastError(), cudaStreamQuery(cudaStreamLegacy)}) {
    if (gpu_fault(result) != GpuFault::none) return GpuFailure(result, "which every call meets");
  }
  cudaGetLastError();  // clears what the query of a busy stream leaves for LibTorch to find
  if (health_within(address, patience_with_nvml).lost)
    return GpuFailure(GpuFault::gone, "it has fallen off the bus, as NVML finds");
  return std::nullopt;
}

#else

GpuFault gpu_fault(int) { return GpuFault::none; }

GpuFailure::GpuFailure(int cuda_error, const std::string& when)
    : GpuFailure(GpuFault::none, "CUDA error " + std::to_string(cuda_error) + ", " + when) {}

std::optional<GpuFailure> gpu_fault_now(const std::string&) { return std::nullopt; }

#endif

}  // namespace lockstep
