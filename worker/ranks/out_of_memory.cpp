#include "worker/ranks/out_of_memory.hpp"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <new>

#include "collectives/gpu_fault.hpp"
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

std::optional<std::string> why_no_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return error.what();
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  if (!of_torch) return std::nullopt;
  std::string why = of_torch->what_without_backtrace();
  const auto of_cpu = why.find("DefaultCPUAllocator: can't allocate memory");
  if (of_cpu != std::string::npos) why.erase(0, of_cpu);
  const auto first_line = why.substr(0, why.find('\n'));
  const auto says = [&](const char* words) { return first_line.find(words) != std::string::npos; };
  // cuBLAS, and cuDNN of two generations.
  constexpr std::array libraries = {"_STATUS_ALLOC_FAILED", "_ALLOCATION_FAILED"};
  const auto* of_cuda = dynamic_cast<const c10::AcceleratorError*>(&error);
  if (of_cpu != std::string::npos || dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
      (of_cuda && refused_gpu_memory(of_cuda->get_error_code(), "", "")) ||
      std::ranges::any_of(libraries, says))
    return first_line;
  return std::nullopt;
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

#else

void end_when_gpu_memory_is_refused(int) {}

void give_back_unused_gpu_memory() {}

#endif

}  // namespace lockstep
