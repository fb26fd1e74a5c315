#include "collectives/gpu_clock.hpp"

#include <cuda_runtime_api.h>

#include <chrono>
#include <utility>

#include "collectives/gpu_fault.hpp"
#include "collectives/transport.hpp"
#include "common/log.hpp"

namespace lockstep {

namespace {

void check(cudaError_t result) {
  if (gpu_fault(result) != GpuFault::none) throw GpuFailure(result, "when it was to measure time");
  if (const auto refused = refused_gpu_memory(result, "the GPU of " + host_name(), "measure time"))
    throw *refused;
  if (result != cudaSuccess)
    throw CollectiveError("the GPU of " + host_name() + " failed to measure time",
                          cudaGetErrorString(result));
}

}  // namespace

GpuClock::GpuClock() {
  mark();
  finish();
  last_ = marks_.front();
  marks_.pop_front();
  start_ = last_moment_ = Clock::now();
}

GpuClock::~GpuClock() {  // after a failure of the GPU this fails too, and then it does not matter
  for (auto* const mark : marks_) cudaEventDestroy(mark);
  for (auto* const event : unused_) cudaEventDestroy(event);
  cudaEventDestroy(last_);
}

void GpuClock::mark() {
  marks_.push_back(event());
  check(cudaEventRecord(marks_.back(), cudaStreamLegacy));
}

std::optional<Clock::time_point> GpuClock::next() {
  if (marks_.empty()) return std::nullopt;
  const auto query = cudaEventQuery(marks_.front());
  if (query == cudaErrorNotReady) {
    cudaGetLastError();  // clears what LibTorch would take for a failure of its own next kernel
    return std::nullopt;
  }
  check(query);
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, last_, marks_.front()));
  last_moment_ +=
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<float, std::milli>(milliseconds));
  unused_.push_back(std::exchange(last_, marks_.front()));
  marks_.pop_front();
  return last_moment_;
}

void GpuClock::finish() {
  if (!marks_.empty()) check(cudaEventSynchronize(marks_.back()));
}

CUevent_st* GpuClock::event() {
  if (unused_.empty()) check(cudaEventCreateWithFlags(&unused_.emplace_back(), cudaEventDefault));
  auto* const event = unused_.back();
  unused_.pop_back();
  return event;
}

}  // namespace lockstep
