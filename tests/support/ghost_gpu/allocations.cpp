// LibTorch's caching allocator hands out memory that other tensors have had. Here each allocation is a write
// to all of the block, in the block's stream: it puts there what kernels that do nothing would have written,
// so that all numbers are the same on any number of ranks; and a use of the block by another stream that
// nothing orders before is a race, though the first kernel of the new owner does nothing.
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
