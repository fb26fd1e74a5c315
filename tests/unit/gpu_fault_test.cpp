#include "collectives/gpu_fault.hpp"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "collectives/gpu.hpp"

namespace lockstep {
namespace {

TEST(GpuFault, IsWhatSaysThatTheGpuIsBrokenOrGone) {
  for (const auto& [error, fault] :
       std::vector<std::pair<int, GpuFault>>{{cudaErrorECCUncorrectable, GpuFault::memory},
                                             {cudaErrorContained, GpuFault::memory},
                                             {cudaErrorNvlinkUncorrectable, GpuFault::link},
                                             {cudaErrorIllegalAddress, GpuFault::kernel},
                                             {cudaErrorHardwareStackError, GpuFault::kernel},
                                             {cudaErrorIllegalInstruction, GpuFault::kernel},
                                             {cudaErrorMisalignedAddress, GpuFault::kernel},
                                             {cudaErrorInvalidAddressSpace, GpuFault::kernel},
                                             {cudaErrorInvalidPc, GpuFault::kernel},
                                             {cudaErrorLaunchFailure, GpuFault::kernel},
                                             {cudaErrorDevicesUnavailable, GpuFault::gone},
                                             {cudaErrorNoDevice, GpuFault::gone},
                                             {cudaErrorDeviceUninitialized, GpuFault::gone},
                                             {cudaErrorSystemNotReady, GpuFault::gone},
                                             {cudaErrorUnknown, GpuFault::gone}}) {
    EXPECT_EQ(gpu_fault(error), fault) << error;
  }
}

TEST(GpuFault, IsNotWhatTheProgramOrTheSettingsAreToBlameFor) {
  for (const int error : {cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation, cudaErrorNotReady,
                          cudaErrorInvalidDevice, cudaErrorInsufficientDriver, cudaErrorLaunchOutOfResources,
                          cudaErrorInvalidResourceHandle, cudaErrorNotSupported}) {
    EXPECT_EQ(gpu_fault(error), GpuFault::none) << error;
  }
}

TEST(GpuFailure, LeavesWithACodeOfItsOwnAndSaysWhatCudaSaid) {
  const GpuFailure failure(cudaErrorIllegalAddress, "when it was to copy");
  EXPECT_EQ(failure.exit_code(), ExitCode::gpu_failed);
  EXPECT_EQ(failure.why(), "CUDA error 700: an illegal memory access was encountered, when it was to copy");
}

TEST(GpuFaultNow, IsNoneWhereTheGpuWorks) { EXPECT_FALSE(gpu_fault_now("0000:01:00")); }

TEST(GpuNames, AreUuidsInTheFormOfTheDriver) {
  EXPECT_EQ(gpu_names().at(1), "GPU-2d000000-0000-0000-0000-000000000001");
}

}  // namespace
}  // namespace lockstep
