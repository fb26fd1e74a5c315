#include "collectives/tree_sum_kernel.hpp"

namespace lockstep {
namespace {

__global__ void __launch_bounds__(tree_sum_threads)
    tree_sum_kernel(const __grid_constant__ TreeSum launch, std::int64_t count) {
  tree_sum_thread(launch, count, blockIdx.x, static_cast<int>(threadIdx.x));
}

__global__ void __launch_bounds__(tree_sum_threads)
    encode_kernel(const float* values, std::uint16_t* codes, GradientFormat format, std::int64_t count) {
  encode_thread(values, codes, format, count, blockIdx.x, static_cast<int>(threadIdx.x));
}

}  // namespace

cudaError_t launch_tree_sum(const TreeSum& launch, std::int64_t count, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(tree_sum_blocks(count)));
  void* arguments[] = {const_cast<TreeSum*>(&launch), &count};
  // Not <<<>>>, whose outcome is found in a variable that earlier errors of other code may have set.
  return cudaLaunchKernel(tree_sum_kernel, blocks, dim3(tree_sum_threads), arguments, 0, stream);
}

cudaError_t load_kernels() {
  cudaFuncAttributes attributes;
  const auto result = cudaFuncGetAttributes(&attributes, tree_sum_kernel);
  return result == cudaSuccess ? cudaFuncGetAttributes(&attributes, encode_kernel) : result;
}

cudaError_t launch_encode(const float* values, std::uint16_t* codes, GradientFormat format,
                          std::int64_t count, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(tree_sum_blocks(count)));
  void* arguments[] = {&values, &codes, &format, &count};
  return cudaLaunchKernel(encode_kernel, blocks, dim3(tree_sum_threads), arguments, 0, stream);
}

}  // namespace lockstep
