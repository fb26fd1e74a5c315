#include "collectives/gpu_transport.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>
#include <vector>

#include "collectives/gpu.hpp"
#include "collectives/tree_sum_kernel.hpp"

namespace lockstep {

GpuTransport::GpuTransport(MpiTransport& host, int device)
    : host_(host),
      device_(device),
      address_(gpu_address(device)),
      exceptions_at_start_(std::uncaught_exceptions()) {
  select_gpu(device);
  check_cuda(cudaStreamCreate(&stream_), "make a stream");
  check_cuda(load_kernels(), "load its code");
}

void GpuTransport::release() {
  for (const auto& memory : {scratch_, rest_}) check_cuda(cudaFree(memory.data), "free memory");
  check_cuda(cudaStreamDestroy(stream_), "end a stream");
}

void GpuTransport::finish_computing() { check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "compute"); }

void GpuTransport::check_cuda(int result, const char* action) {
  if (result == cudaSuccess) return;
  if (gpu_fault(result) != GpuFault::none) fail_with_gpu({result, std::string("when it was to ") + action});
  const auto gpu = "GPU " + std::to_string(device_) + " of " + host_.describe_rank(rank());
  if (const auto refused = refused_gpu_memory(result, gpu, action)) throw *refused;
  fail(gpu + " failed to " + action, cudaGetErrorString(static_cast<cudaError_t>(result)));
}

void GpuTransport::fail_with_gpu(const GpuFailure& failure) {
  failed_ = true;  // nothing of it can be ended in order
  throw failure;
}

void GpuTransport::fail(const std::string& problem, const std::string& why) {
  abort();
  throw CollectiveError(problem, why);
}

void GpuTransport::add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges,
                            float* sum, std::int64_t count, GradientFormat format) {
  reserve_rest(std::ssize(partial_sums), count);
  const std::vector<const void*> untyped(partial_sums.begin(), partial_sums.end());
  start_tree_sum(untyped, GradientFormat::float32, merges, sum, count, format, stream_);
}

void GpuTransport::reserve_rest(std::int64_t partial_sums, std::int64_t count) {
  if (partial_sums > TreeSum::capacity) at_least(sizeof(float) * TreeSum::depth * count, rest_);
}

void GpuTransport::start_tree_sum(std::span<const void* const> partial_sums, GradientFormat stored,
                                  std::span<const Merge> merges, float* sum, std::int64_t count,
                                  GradientFormat format, CUstream_st* stream) {
  assert(count == 0 ||
         std::ranges::none_of(partial_sums, [](const void* values) { return values == nullptr; }));
  assert(std::ssize(partial_sums) <= TreeSum::capacity ||
         rest_.bytes >= sizeof(float) * TreeSum::depth * static_cast<std::size_t>(count));
  const auto additions = additions_after(std::ssize(partial_sums), merges);
  if (count == 0 || (partial_sums.size() == 1 && partial_sums[0] == sum)) return;
  TreeSum launch;
  launch.stored = stored;
  launch.format = format;
  launch.rest = partial_sums.size() > TreeSum::capacity ? static_cast<float*>(rest_.data) : nullptr;
  for (std::size_t next = 0, held = 0; next < partial_sums.size();) {
    launch.held = static_cast<std::int32_t>(held);
    for (launch.size = 0; launch.size < TreeSum::capacity && next < partial_sums.size();
         ++next, ++launch.size) {
      launch.partial_sum[launch.size] = partial_sums[next];
      launch.additions[launch.size] = static_cast<std::uint8_t>(additions[next]);
      if (held - additions[next] + 1 > TreeSum::depth) throw Error(ExitCode::bug, "the tree is too deep");
      held = held - additions[next] + 1;
    }
    launch.sum = next == partial_sums.size() ? sum : nullptr;
    check_cuda(launch_tree_sum(launch, count, stream), "add gradients");
  }
}

void* GpuTransport::scratch(std::size_t bytes) { return at_least(bytes, scratch_); }

void* GpuTransport::at_least(std::size_t bytes, Memory& memory) {
  if (bytes <= memory.bytes) return memory.data;
  memory.bytes = 0;
  check_cuda(cudaFree(std::exchange(memory.data, nullptr)), "free memory");
  auto result = cudaMalloc(&memory.data, bytes);
  if (result == cudaErrorMemoryAllocation && give_back_) {
    cudaGetLastError();  // clears what LibTorch would take for a failure of its own
    give_back_();
    result = cudaMalloc(&memory.data, bytes);
  }
  check_cuda(result, ("exchange gradients in " + std::to_string(bytes) + " bytes").c_str());
  memory.bytes = bytes;
  return memory.data;
}

void GpuTransport::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "copy");
  // Between two places on the GPU, cudaMemcpy() returns before it is done.
  check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "copy");
}

}  // namespace lockstep
