#include "collectives/merge_kernel.hpp"

namespace lockstep {
namespace {

__global__ void __launch_bounds__(merge_threads) merge_kernel(const MergeBatch batch, std::int64_t count) {
  merge_thread(batch, count, blockIdx.x, static_cast<int>(threadIdx.x));
}

}  // namespace

cudaError_t launch_merge(const MergeBatch& batch, std::int64_t count, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(merge_blocks(count)));
  void* arguments[] = {const_cast<MergeBatch*>(&batch), &count};
  // Not <<<>>>, whose outcome is found in a variable that earlier errors of other code may have set.
  return cudaLaunchKernel(merge_kernel, blocks, dim3(merge_threads), arguments, 0, stream);
}

}  // namespace lockstep
