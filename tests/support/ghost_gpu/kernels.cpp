// Launches: each kernel is counted, and queued on its stream if its work is known (kernel_work.cpp).
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

bool names(const std::string& kernel, const char* part) { return kernel.find(part) != std::string::npos; }

std::unordered_map<const void*, std::string>& registered() {
  static std::unordered_map<const void*, std::string> names;
  return names;
}

cudaError_t launch(const void* function, void** arguments, cudaStream_t stream) {
  if (const auto error = begin_call("launch")) return error;
  const std::lock_guard guard(lock());
  const auto& kernel = registered()[function];
  count_kernel(kernel);
  // These kernels read from GPU memory which arrays to touch; a queued operation may not have written that
  // yet.
  if (names(kernel, "13update_kernelI") || names(kernel, "11lane_kernelE")) bring_on(stream);
  const auto work = work_of(kernel, arguments);
  if (work.accesses.empty()) return cudaSuccess;
  give(stream, kernel, work.accesses, [run = work.run] {
    if (run) run();
    return true;
  });
  return cudaSuccess;
}

}  // namespace

}  // namespace lockstep::ghost

using namespace lockstep::ghost;

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}

void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, void*, void*, void*,
                            void*, int*) {
  const std::lock_guard guard(lock());
  registered()[function] = name;
}

struct Configuration {
  dim3 blocks, threads;
  std::size_t shared_bytes;
  void* stream;
};
static thread_local std::vector<Configuration> configurations;

unsigned __cudaPushCallConfiguration(dim3 blocks, dim3 threads, std::size_t shared_bytes, void* stream) {
  configurations.push_back({blocks, threads, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* blocks, dim3* threads, std::size_t* shared_bytes, void* stream) {
  const auto configuration = configurations.back();
  configurations.pop_back();
  *blocks = configuration.blocks;
  *threads = configuration.threads;
  *shared_bytes = configuration.shared_bytes;
  *static_cast<void**>(stream) = configuration.stream;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3, dim3, void** arguments, std::size_t,
                             cudaStream_t stream) {
  return launch(function, arguments, stream);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void** arguments, std::size_t,
                               cudaStream_t stream) {
  return launch(kernel, arguments, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3, dim3, void** arguments, std::size_t,
                                        cudaStream_t stream) {
  return launch(function, arguments, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* configuration, const void* function,
                                void** arguments) {
  return launch(function, arguments, configuration->stream);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->binaryVersion = attributes->ptxVersion = 90;
  attributes->maxDynamicSharedSizeBytes = 48 << 10;
  return failure();
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, std::size_t,
                                                                   unsigned int) {
  *blocks = 8;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          std::size_t bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, bytes, 0);
}

}  // extern "C"
