// The kernel on the host: every thread of every block, one after the other.
#include "collectives/merge_kernel.hpp"

#include "tests/support/nccl_double/device.hpp"

namespace lockstep {
namespace {

void run(const MergeBatch& batch, std::int64_t count) {
  for (std::int64_t block = 0; block < merge_blocks(count); ++block) {
    for (int thread = 0; thread < merge_threads; ++thread) merge_thread(batch, count, block, thread);
  }
}

}  // namespace

cudaError_t launch_merge(const MergeBatch& batch, std::int64_t count, cudaStream_t stream) {
  const auto bytes = sizeof(float) * count;
  for (int m = 0; m < batch.size; ++m) {
    if (!nccl_double::is_usable(batch.left[m], bytes) || !nccl_double::is_usable(batch.right[m], bytes)) {
      return cudaErrorIllegalAddress;
    }
  }
  stream->operations.push_back([=] {
    run(batch, count);
    return true;
  });
  return cudaSuccess;
}

}  // namespace lockstep
