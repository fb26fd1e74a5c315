// The kernels on the host: every thread of every block, one after the other, once the operations of all other
// streams are done.
#include "worker/optim/update_kernels.hpp"

#include <cuda_runtime_api.h>

namespace lockstep {
namespace {

template <class Element>
void run(bool averaged, const UpdateJob& job) {
  for (std::int64_t block = 0; block < job.count; ++block) {
    for (int thread = 0; thread < update_threads; ++thread) {
      if (averaged) {
        update_thread<Element, true>(job, block, thread);
      } else {
        update_thread<Element, false>(job, block, thread);
      }
    }
  }
}

}  // namespace

int launch_update(UpdateRule rule, bool averaged, const UpdateJob& job) {
  const auto before = cudaStreamSynchronize(cudaStreamLegacy);
  if (before == cudaSuccess) with_element(rule, [&]<class Element>(Element) { run<Element>(averaged, job); });
  return before;
}

int launch_squares(const SquaresJob& job) {
  if (const auto before = cudaStreamSynchronize(cudaStreamLegacy); before != cudaSuccess) return before;
  for (std::int64_t thread = 0; thread < job.count * lanes; ++thread) lane_thread(job, thread);
  for (std::int64_t thread = 0; thread < job.count; ++thread) fold_thread(job, thread);
  return cudaSuccess;
}

}  // namespace lockstep
