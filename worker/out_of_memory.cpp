#include "worker/out_of_memory.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "common/error.hpp"
#include "common/log.hpp"
#ifdef LOCKSTEP_WITH_NCCL
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <dlfcn.h>
#endif

namespace lockstep {

void leave_out_of_memory(int rank, const std::string& why, const std::string& what_to_lower) {
  const Error refused(ExitCode::out_of_memory,
                      "rank " + std::to_string(rank) + " on " + host_name() + " ran out of memory", why,
                      what_to_lower);
  std::cout.flush();
  std::cerr << std::string("error: ") + refused.what() + "\n" << std::flush;
  _exit(static_cast<int>(refused.exit_code()));
}

#ifdef LOCKSTEP_WITH_NCCL

namespace {

std::string gib(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1024.0 * 1024 * 1024));
  return text;
}

/// libc10_cuda is not linked, as it is there only where a GPU is used.
c10::cuda::CUDACachingAllocator::CUDAAllocator& allocator_of_torch() {
  using Holder = std::atomic<c10::cuda::CUDACachingAllocator::CUDAAllocator*>;
  void* const symbol = dlsym(RTLD_DEFAULT, "_ZN3c104cuda20CUDACachingAllocator9allocatorE");
  auto* const allocator = symbol ? static_cast<Holder*>(symbol)->load() : nullptr;
  if (!allocator) throw Error(ExitCode::bug, "LibTorch's allocator of GPU memory was not found");
  return *allocator;
}

}  // namespace

void end_when_gpu_memory_is_refused(int rank) {
  at::globalContext().lazyInitDevice(at::kCUDA);  // before, the allocator knows no GPU to observe
  const auto leave = [rank](std::int64_t gpu, std::size_t bytes, std::size_t total, std::size_t free) {
    leave_out_of_memory(rank,
                        "GPU " + std::to_string(gpu) + " has no " + gib(bytes) + ", with " + gib(free) +
                            " of " + gib(total) + " free",
                        "end what else uses this GPU (`nvidia-smi` lists it), or give a smaller "
                        "training.micro_batch_size (another run)");
  };
  try {
    allocator_of_torch().attachOutOfMemoryObserver(leave);
  } catch (const c10::Error& error) {
    throw Error(ExitCode::config, "LibTorch's allocator does not tell when memory is refused",
                error.what_without_backtrace(), "unset PYTORCH_ALLOC_CONF and PYTORCH_CUDA_ALLOC_CONF");
  }
}

#else

void end_when_gpu_memory_is_refused(int) {}

#endif

}  // namespace lockstep
