// A GPU that is not there: the CUDA runtime, cuBLAS, cuDNN and the driver on host memory, preloaded under the
// unmodified lockstep-worker and the unmodified libtorch_cuda.so (README.md). This header is what its parts
// know of one another.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace lockstep::ghost {

/// Held during every call of the runtime, by whichever thread. Recursive, because an operation may call back.
std::recursive_mutex& lock();

// --- calls: counted, and made to fail ---

/// Begins every function of the runtime: counts the call, and says what it is to return. Not cudaSuccess
/// where GHOST_FAIL has made the GPU fail: from then on all calls of the process return that error.
cudaError_t begin_call(const char* function);
/// The error that the GPU has failed with, or cudaSuccess.
cudaError_t failure();
/// Counts something that is no call of the runtime: a kernel, a copy of a kind, a library's function.
void count(const std::string& what, double bytes = 0);
/// As count(), under the heading of kernels.
void count_kernel(const std::string& name);
/// A function's or a kernel's name for people; as it is where it is no mangled one.
std::string demangled(const std::string& name);
/// An environment variable as a number; `otherwise` where it is not set.
long long number_from(const char* variable, long long otherwise);

// --- streams: operations stay there until something waits for them ---

/// Memory that an operation touches.
struct Access {
  const void* begin;
  std::size_t bytes;
  bool writes;
};

/// Gives `stream` an operation: `work` is called, perhaps much later and by another thread, until it returns
/// true. `what` names it where a race is told. An empty `work` is done at once when its turn comes.
enum class Progress { at_random, when_waited_for };
void give(cudaStream_t stream, const std::string& what, const std::vector<Access>& accesses,
          std::function<bool()> work, Progress progress = Progress::at_random);
/// Carries out what `stream` has been given, as far as no peer is missed. Orders nothing.
void bring_on(cudaStream_t stream);
/// Carries out all that `stream` has been given, and what that waits for. The calling thread is then behind
/// it.
void wait_for(cudaStream_t stream);
/// wait_for() every stream.
void wait_for_all();

// --- memory ---

enum class MemoryKind { pageable, pinned, device };

/// Where `data` lies.
MemoryKind kind_of(const void* data);
/// Small positive numbers, finite as float, double and any 16-bit number, which depend on `bytes` and the
/// place alone: what LibTorch's kernels, which do nothing here, seem to have written.
void fill(void* data, std::size_t bytes);
/// In every cudaMalloc(): once `caller` is LibTorch's caching allocator, what that hands out is followed.
void follow_allocations(const void* caller);

// --- kernels ---

/// What a launch does to the memory, where that is known: lockstep's own kernels, and LibTorch's simplest.
struct Work {
  std::vector<Access> accesses;
  std::function<void()> run;  ///< empty: it does nothing here, but its accesses are known
};

/// By the mangled name; `arguments` as of cudaLaunchKernel(), copied here. An empty Work for what is not
/// known.
Work work_of(const std::string& kernel, void** arguments);

// --- races ---

/// Logical time of every stream and thread: an access is ordered before another if the other's clock has
/// reached its own. Its places are numbered by agent (stream or thread).
using Times = std::vector<unsigned long long>;

struct Clock {
  Times times;
  void join(const Clock& other);
  /// The next moment of `agent`, which is then part of this clock.
  void tick(int agent);
  bool has_reached(int agent, unsigned long long time) const;
};

int new_agent();
/// The clock of the calling thread, which is an agent too.
Clock& clock_of_thread();
int agent_of_thread();

/// Compares the accesses of `agent` at `clock` with all before. The first pair that nothing orders, one of
/// them a write, is told with both places, and the process ends with code 97.
void check_accesses(const std::string& what, int agent, const Clock& clock,
                    const std::vector<Access>& accesses);
/// The memory is given back: what comes to lie there later has no past.
void forget_accesses(const void* begin, std::size_t bytes);

}  // namespace lockstep::ghost
