// The part of out_of_memory.hpp that needs CUDA's headers; no_gpu_memory.cpp is for builds without.
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <cstdio>

#include "common/error.hpp"
#include "worker/ranks/out_of_memory.hpp"

namespace lockstep {
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

void give_back_unused_gpu_memory() { allocator_of_torch().emptyCache(); }

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

}  // namespace lockstep
