#include <cuda_runtime_api.h>

#include "worker/optim/update_kernels.hpp"

namespace lockstep {
namespace {

template <class Element, bool averaged>
__global__ void __launch_bounds__(update_threads) update_kernel(const __grid_constant__ UpdateJob job) {
  update_thread<Element, averaged>(job, blockIdx.x, static_cast<int>(threadIdx.x));
}

__global__ void __launch_bounds__(update_threads) lane_kernel(const __grid_constant__ SquaresJob job) {
  lane_thread(job, std::int64_t{blockIdx.x} * update_threads + threadIdx.x);
}

__global__ void __launch_bounds__(update_threads) fold_kernel(const __grid_constant__ SquaresJob job) {
  fold_thread(job, std::int64_t{blockIdx.x} * update_threads + threadIdx.x);
}

/// Not <<<>>>: it reports errors only through a variable that earlier errors of other code may have set.
template <class Job>
int launch(void (*kernel)(Job), std::int64_t blocks, const Job& job) {
  void* arguments[] = {const_cast<Job*>(&job)};
  return cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(update_threads), arguments, 0,
                          cudaStreamLegacy);
}

std::int64_t blocks_of(std::int64_t threads) { return (threads + update_threads - 1) / update_threads; }

struct Launch {
  bool averaged;
  const UpdateJob& job;

  template <class Element>
  int operator()(Element) const {
    return launch<UpdateJob>(averaged ? update_kernel<Element, true> : update_kernel<Element, false>,
                             job.count, job);
  }
};

}  // namespace

int launch_update(UpdateRule rule, bool averaged, const UpdateJob& job) {
  return with_element(rule, Launch{averaged, job});
}

int launch_squares(const SquaresJob& job) {
  const int result = launch<SquaresJob>(lane_kernel, blocks_of(job.count * lanes), job);
  if (result != cudaSuccess) return result;
  return launch<SquaresJob>(fold_kernel, blocks_of(job.count), job);
}

}  // namespace lockstep
