#include "collectives/gpu.hpp"

#ifdef LOCKSTEP_WITH_NCCL
#include <cuda_runtime_api.h>
#endif

#include <cstdio>

#include "common/error.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

[[noreturn]] void refuse(int device, const std::string& why) {
  throw Error(ExitCode::config, "GPU " + std::to_string(device) + " of " + host_name() + " cannot be used",
              why,
              "check nvidia-smi and CUDA_VISIBLE_DEVICES, start at most one rank per GPU, or set "
              "distributed.device = "
              "\"cpu\"");
}

}  // namespace

#ifdef LOCKSTEP_WITH_NCCL

namespace {

void require(cudaError_t result, int device) {
  if (result != cudaSuccess) refuse(device, cudaGetErrorString(result));
}

}  // namespace

int gpu_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string why_no_gpu() {
  int count = 0;
  const auto result = cudaGetDeviceCount(&count);
  if (result != cudaSuccess) return cudaGetErrorString(result);
  return count > 0 ? "" : "CUDA finds no GPU";
}

Gpu gpu(int device) {
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), device);
  return {properties.name, properties.major, properties.minor};
}

std::string gpu_address(int device) {
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), device);
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x", properties.pciDomainID, properties.pciBusID,
                properties.pciDeviceID);
  return text;
}

void select_gpu(int device) { require(cudaSetDevice(device), device); }

#else

int gpu_count() { return 0; }

std::string why_no_gpu() { return "this build of lockstep has no CUDA"; }

Gpu gpu(int device) { refuse(device, why_no_gpu()); }

std::string gpu_address(int device) { refuse(device, why_no_gpu()); }

void select_gpu(int device) { refuse(device, why_no_gpu()); }

#endif

}  // namespace lockstep
