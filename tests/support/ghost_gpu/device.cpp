// The simulated GPUs: eight with the properties of an NVIDIA H100, or as GHOST_GPUS and GHOST_DRIVER say.
#include <cstdio>
#include <cstring>
#include <string_view>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

constexpr int multiprocessors = 132;
constexpr int first_pci_bus = 0x18;
constexpr int driver_version = 13000, old_driver_version = 12040;

thread_local int device_of_thread = 0;

int gpus() { return static_cast<int>(number_from("GHOST_GPUS", 8)); }

/// The value of GHOST_DRIVER: "", "missing" or "old".
std::string_view driver() {
  const char* const text = std::getenv("GHOST_DRIVER");
  return text != nullptr ? text : "";
}

}  // namespace
}  // namespace lockstep::ghost

using namespace lockstep::ghost;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (const auto error = begin_call("cudaGetDeviceCount")) return error;
  if (!driver().empty()) return cudaErrorInsufficientDriver;
  *count = gpus();
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDevice(int* device) {
  *device = device_of_thread;
  return failure();
}

cudaError_t cudaSetDevice(int device) {
  if (const auto error = begin_call("cudaSetDevice")) return error;
  if (device < 0 || device >= gpus()) return cudaErrorInvalidDevice;
  device_of_thread = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const auto error = begin_call("cudaGetDeviceProperties")) return error;
  if (device < 0 || device >= gpus()) return cudaErrorInvalidDevice;
  auto& p = *properties;
  p = {};
  std::snprintf(p.name, sizeof p.name, "NVIDIA H100 80GB HBM3");
  for (std::size_t i = 0; i < sizeof p.uuid.bytes; ++i) p.uuid.bytes[i] = static_cast<char>(16 * device + i);
  p.major = 9;
  std::size_t free_bytes = 0;
  cudaMemGetInfo(&free_bytes, &p.totalGlobalMem);
  p.multiProcessorCount = multiprocessors;
  p.warpSize = 32;
  p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.sharedMemPerBlock = 48 << 10;
  p.sharedMemPerBlockOptin = 227 << 10;
  p.sharedMemPerMultiprocessor = 228 << 10;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.maxThreadsPerMultiProcessor = 2048;
  p.maxBlocksPerMultiProcessor = 32;
  p.l2CacheSize = 50 << 20;
  p.textureAlignment = 512;
  p.pciBusID = first_pci_bus + device;
  p.unifiedAddressing = p.managedMemory = p.concurrentKernels = p.cooperativeLaunch = 1;
  p.asyncEngineCount = 3;
  p.memoryBusWidth = 5120;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const auto error = cudaGetDeviceProperties(&p, device)) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxGridDimX:
      *value = p.maxGridSize[0];
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *value = p.maxGridSize[1];
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = p.regsPerBlock;
      break;
    default:
      *value = 0;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int size, int device) {
  std::snprintf(text, static_cast<std::size_t>(size), "0000:%02x:00.0", first_pci_bus + device);
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int, unsigned int) { return cudaSuccess; }

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver() == "missing" ? 0 : driver() == "old" ? old_driver_version : driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return failure(); }
cudaError_t cudaPeekAtLastError() { return failure(); }

const char* cudaGetErrorName(cudaError_t) { return "cudaErrorOfTheGhost"; }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorECCUncorrectable:
      return "uncorrectable ECC error encountered";
    case cudaErrorNvlinkUncorrectable:
      return "uncorrectable NVLink error detected during the execution";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorUnknown:
      return "unknown error";
    default:
      return "an error of the ghost";
  }
}

cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned int, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  static const auto does_nothing = +[] { return 0; };
  *function = reinterpret_cast<void*>(does_nothing);
  if (result != nullptr) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

cudaError_t cudaGetSymbolAddress(void** address, const void*) {
  alignas(256) static char room[1 << 20];
  *address = room;
  return cudaSuccess;
}

cudaError_t cudaMemcpyToSymbol(const void*, const void*, std::size_t, std::size_t, cudaMemcpyKind) {
  return cudaSuccess;
}

}  // extern "C"
