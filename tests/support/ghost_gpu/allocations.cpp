// LibTorch's caching allocator hands out memory that other tensors used before. Here each allocation counts
// as a write to the whole block, in the block's stream. It writes what the kernels that do nothing would have
// written, so that all numbers are the same on any number of ranks. And a use of the block by another stream
// that is not ordered before it is a race, even if the new owner's first kernel does nothing.
#include <c10/cuda/CUDACachingAllocator.h>
#include <dlfcn.h>

#include <cstring>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {

void follow_allocations(const void* caller) {
  static bool following = false;
  Dl_info info{};
  const bool by_torch = dladdr(caller, &info) != 0 && std::strstr(info.dli_fname, "libc10_cuda") != nullptr;
  if (following || !by_torch) return;
  following = true;
  using namespace c10::cuda::CUDACachingAllocator;
  const auto* const current = static_cast<std::atomic<CUDAAllocator*>*>(
      dlsym(RTLD_DEFAULT, "_ZN3c104cuda20CUDACachingAllocator9allocatorE"));
  current->load()->attachAllocatorTraceTracker([](const TraceEntry& entry) {
    if (entry.action_ != TraceEntry::ALLOC) return;
    auto* const data = reinterpret_cast<void*>(entry.addr_);
    give(static_cast<cudaStream_t>(entry.stream_), "allocation by LibTorch", {{data, entry.size_, true}},
         [data, bytes = entry.size_] {
           fill(data, bytes);
           return true;
         });
  });
}

}  // namespace lockstep::ghost
