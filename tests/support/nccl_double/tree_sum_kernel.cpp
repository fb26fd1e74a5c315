// The kernels on the host: every thread of every block, one after the other.
#include "collectives/tree_sum_kernel.hpp"

#include "tests/support/nccl_double/device.hpp"
#include "tests/support/nccl_double/faults.hpp"

namespace lockstep {
namespace {

void run(const TreeSum& launch, std::int64_t count) {
  for (std::int64_t block = 0; block < tree_sum_blocks(count); ++block) {
    for (int thread = 0; thread < tree_sum_threads; ++thread) tree_sum_thread(launch, count, block, thread);
  }
}

bool is_usable(const TreeSum& launch, std::int64_t count) {
  const auto bytes = sizeof(float) * count;
  const auto bytes_of_partial_sum = launch.stored == GradientFormat::float32 ? bytes : bytes / 2;
  for (int p = 0; p < launch.size; ++p) {
    if (!nccl_double::is_usable(launch.partial_sum[p], bytes_of_partial_sum)) return false;
  }
  if (launch.sum != nullptr && !nccl_double::is_usable(launch.sum, bytes)) return false;
  return launch.rest == nullptr || nccl_double::is_usable(launch.rest, TreeSum::depth * bytes);
}

}  // namespace

cudaError_t launch_tree_sum(const TreeSum& launch, std::int64_t count, cudaStream_t stream) {
  if (!is_usable(launch, count)) return cudaErrorIllegalAddress;
  // Memory that does not come from cudaMalloc() is LibTorch's, which does not wait for streams on the host.
  if (!nccl_double::faults().only_device_memory && stream->operations.empty()) {
    run(launch, count);
    return cudaSuccess;
  }
  stream->operations.push_back([=] {
    run(launch, count);
    return true;
  });
  return cudaSuccess;
}

cudaError_t load_kernels() { return cudaSuccess; }

cudaError_t launch_encode(const float* values, std::uint16_t* codes, GradientFormat format,
                          std::int64_t count, cudaStream_t stream) {
  if (!nccl_double::is_usable(values, sizeof(float) * count) ||
      !nccl_double::is_usable(codes, sizeof(std::uint16_t) * count))
    return cudaErrorIllegalAddress;
  stream->operations.push_back([=] {
    for (std::int64_t block = 0; block < tree_sum_blocks(count); ++block) {
      for (int thread = 0; thread < tree_sum_threads; ++thread)
        encode_thread(values, codes, format, count, block, thread);
    }
    return true;
  });
  return cudaSuccess;
}

}  // namespace lockstep
