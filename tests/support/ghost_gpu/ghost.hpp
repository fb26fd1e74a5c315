// A simulated GPU: the CUDA runtime, cuBLAS, cuDNN and the driver on host memory, preloaded under the
// unmodified lockstep-worker and the unmodified libtorch_cuda.so (README.md). This header declares what the
// parts of the ghost use of one another.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace lockstep::ghost {

/// Held during every call of the runtime, by any thread. Recursive, because an operation may call back.
std::recursive_mutex& lock();

// --- calls: counted, and made to fail ---

/// Must begin every function of the runtime: counts the call and returns its status. That is not cudaSuccess
/// once GHOST_FAIL has made the GPU fail: from then on all calls of the process return that error.
cudaError_t begin_call(const char* function);
/// The error that the GPU has failed with, or cudaSuccess.
cudaError_t failure();
/// Counts something that is not a call of the runtime: a kernel, a kind of copy, a library's function.
void count(const std::string& what, double bytes = 0);
/// As count(), under the heading of kernels.
void count_kernel(const std::string& name);
/// A readable name of a function or kernel; unchanged if it is not a mangled name.
std::string demangled(const std::string& name);
/// The value of an environment variable as a number; `otherwise` if it is not set.
long long number_from(const char* variable, long long otherwise);

// --- streams: operations stay queued until something waits for them ---

/// Memory that an operation touches.
struct Access {
  const void* begin;
  std::size_t bytes;
  bool writes;
};

/// Queues an operation on `stream`. `work` is called, perhaps much later and by another thread, until it
/// returns true. `what` names it in reports of races. An empty `work` is done as soon as its turn comes.
enum class Progress { at_random, when_waited_for };
void give(cudaStream_t stream, const std::string& what, const std::vector<Access>& accesses,
          std::function<bool()> work, Progress progress = Progress::at_random);
/// Runs the operations that are queued on `stream`, as far as that needs no missing peer. Orders nothing.
void bring_on(cudaStream_t stream);
/// Runs all operations that are queued on `stream`, and those that they wait for. They are then ordered
/// before whatever the calling thread does next.
void wait_for(cudaStream_t stream);
/// wait_for() every stream.
void wait_for_all();

// --- memory ---

enum class MemoryKind { pageable, pinned, device };

/// Where `data` lies.
MemoryKind kind_of(const void* data);
/// Writes small positive numbers, finite as float, double and any 16-bit format, which depend only on `bytes`
/// and the position. They stand for the results of LibTorch's kernels, which do nothing here.
void fill(void* data, std::size_t bytes);
/// Called in every cudaMalloc(): once `caller` is LibTorch's caching allocator, the blocks that it hands out
/// are tracked.
void follow_allocations(const void* caller);

// --- kernels ---

/// What a launch does to memory, if that is known: for lockstep's own kernels, and LibTorch's simplest.
struct Work {
  std::vector<Access> accesses;
  std::function<void()> run;  ///< empty: does nothing here, but its accesses are known
};

/// Looks `kernel` up by its mangled name; `arguments` are those of cudaLaunchKernel(), copied here. Returns
/// an empty Work for an unknown kernel.
Work work_of(const std::string& kernel, void** arguments);

// --- races ---

/// Logical times, indexed by agent (a stream or a thread): an access is ordered before another if the other's
/// clock has reached the time of the first.
using Times = std::vector<unsigned long long>;

struct Clock {
  Times times;
  void join(const Clock& other);
  /// Advances `agent` to its next time, which this clock then includes.
  void tick(int agent);
  bool has_reached(int agent, unsigned long long time) const;
};

int new_agent();
/// The clock of the calling thread, which is an agent itself.
Clock& clock_of_thread();
int agent_of_thread();

/// Compares the accesses of `agent` at `clock` with all earlier ones. Reports the first pair that nothing
/// orders and that has a write in it, with both places, and ends the process with code 97.
void check_accesses(const std::string& what, int agent, const Clock& clock,
                    const std::vector<Access>& accesses);
/// The memory was freed: a later allocation there has no earlier accesses.
void forget_accesses(const void* begin, std::size_t bytes);

}  // namespace lockstep::ghost
