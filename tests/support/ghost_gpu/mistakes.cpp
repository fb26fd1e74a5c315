// Mistakes that a program on a GPU can make, each with its correct version: `ghost_mistakes NAME
// wrong|right`. The race detector must end the wrong version and accept the right one
// (tests/integration/test_ghost_races.py).
#include <cuda_runtime_api.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collectives/tree_sum_kernel.hpp"

namespace {

using lockstep::GradientFormat;
using lockstep::TreeSum;

constexpr std::int64_t count = 4096;
constexpr std::size_t bytes = sizeof(float) * count;

void check(cudaError_t result) {
  if (result == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(result));
  std::exit(1);
}

struct Stream {
  cudaStream_t stream = nullptr;
  Stream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)); }
  operator cudaStream_t() const { return stream; }
};

struct Event {
  cudaEvent_t event = nullptr;
  Event() { check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming)); }
  operator cudaEvent_t() const { return event; }
};

float* device_memory() {
  void* data = nullptr;
  check(cudaMalloc(&data, bytes));
  return static_cast<float*>(data);
}

float* pinned_memory() {
  void* data = nullptr;
  check(cudaMallocHost(&data, bytes));
  return static_cast<float*>(data);
}

/// A kernel of lockstep that reads `from` and writes `to`.
void add_up(const float* from, float* to, cudaStream_t stream) {
  TreeSum launch;
  launch.size = 1;
  launch.partial_sum[0] = from;
  launch.additions[0] = 0;
  launch.sum = to;
  check(launch_tree_sum(launch, count, stream));
}

void event_recorded_too_early(bool wrong) {
  Stream computing, sending;
  Event computed;
  float *gradient = device_memory(), *sum = device_memory();
  if (wrong) check(cudaEventRecord(computed, computing));
  check(cudaMemsetAsync(gradient, 0, bytes, computing));
  if (!wrong) check(cudaEventRecord(computed, computing));
  check(cudaStreamWaitEvent(sending, computed, 0));
  add_up(gradient, sum, sending);
  check(cudaDeviceSynchronize());
}

void missing_wait(bool wrong) {
  Stream computing, sending;
  Event computed;
  float *gradient = device_memory(), *sum = device_memory();
  check(cudaMemsetAsync(gradient, 0, bytes, computing));
  check(cudaEventRecord(computed, computing));
  if (!wrong) check(cudaStreamWaitEvent(sending, computed, 0));
  add_up(gradient, sum, sending);
  check(cudaDeviceSynchronize());
}

void event_of_another_stream(bool wrong) {
  Stream computing, sending, other;
  Event computed;
  float *gradient = device_memory(), *sum = device_memory();
  check(cudaMemsetAsync(gradient, 0, bytes, computing));
  check(cudaEventRecord(computed, wrong ? other : computing));
  check(cudaStreamWaitEvent(sending, computed, 0));
  add_up(gradient, sum, sending);
  check(cudaDeviceSynchronize());
}

/// The next step fills the buffer while the side stream still reads the buffer of the step before.
void buffer_reused_across_streams(bool wrong) {
  Stream computing, sending;
  Event computed, sent;
  float *gradient = device_memory(), *sum = device_memory();
  for (int step = 0; step < 2; ++step) {
    if (step > 0 && !wrong) check(cudaStreamWaitEvent(computing, sent, 0));
    check(cudaMemsetAsync(gradient, step, bytes, computing));
    check(cudaEventRecord(computed, computing));
    check(cudaStreamWaitEvent(sending, computed, 0));
    add_up(gradient, sum, sending);
    check(cudaEventRecord(sent, sending));
  }
  check(cudaDeviceSynchronize());
}

void two_streams_write_one_place(bool wrong) {
  Stream left, right;
  float *from = device_memory(), *sum = device_memory();
  add_up(from, sum, left);
  if (!wrong) check(cudaStreamSynchronize(left));
  add_up(from, sum, right);
  check(cudaDeviceSynchronize());
}

void host_memory_freed_under_a_copy(bool wrong) {
  Stream stream;
  float *here = pinned_memory(), *there = device_memory();
  std::memset(here, 0, bytes);
  check(cudaMemcpyAsync(there, here, bytes, cudaMemcpyHostToDevice, stream));
  if (!wrong) check(cudaStreamSynchronize(stream));
  check(cudaFreeHost(here));
  check(cudaDeviceSynchronize());
}

void host_memory_changed_under_a_copy(bool wrong) {
  Stream stream;
  float *here = pinned_memory(), *there = device_memory();
  std::memset(here, 0, bytes);
  check(cudaMemcpyAsync(there, here, bytes, cudaMemcpyHostToDevice, stream));
  if (!wrong) check(cudaStreamSynchronize(stream));
  here[1] = 1;
  check(cudaDeviceSynchronize());
}

/// Detected without the race detector: a result that is not written yet is NaN.
void result_read_before_it_is_there(bool wrong) {
  Stream stream;
  float *here = pinned_memory(), *there = device_memory();
  check(cudaMemsetAsync(there, 0, bytes, stream));
  check(cudaMemcpyAsync(here, there, bytes, cudaMemcpyDeviceToHost, stream));
  if (!wrong) check(cudaStreamSynchronize(stream));
  if (std::isnan(here[0])) std::exit(97);
}

/// A thread starts a copy and ends; the end of the thread does not mean that the copy is done.
void another_thread_started_it(bool wrong) {
  Stream uploading, computing;
  float *there = device_memory(), *sum = device_memory(), *here = pinned_memory();
  std::memset(here, 0, bytes);
  std::thread([&] {
    check(cudaMemcpyAsync(there, here, bytes, cudaMemcpyHostToDevice, uploading));
    if (!wrong) check(cudaStreamSynchronize(uploading));
  }).join();
  add_up(there, sum, computing);
  check(cudaDeviceSynchronize());
}

/// A thread waits for its copy, and signals another thread with a flag that orders nothing.
void flag_instead_of_a_mutex(bool wrong) {
  Stream uploading, computing;
  float *there = device_memory(), *sum = device_memory(), *here = pinned_memory();
  std::memset(here, 0, bytes);
  std::atomic<bool> done = false;
  std::mutex mutex;
  std::thread uploader([&] {
    check(cudaMemcpyAsync(there, here, bytes, cudaMemcpyHostToDevice, uploading));
    check(cudaStreamSynchronize(uploading));
    if (!wrong) mutex.lock();
    done.store(true, std::memory_order_relaxed);
    if (!wrong) mutex.unlock();
  });
  while (!done.load(std::memory_order_relaxed)) std::this_thread::yield();
  if (!wrong) mutex.lock();
  add_up(there, sum, computing);
  if (!wrong) mutex.unlock();
  check(cudaDeviceSynchronize());
  uploader.join();
}

/// Ranges that overlap by a few elements, as with a shard's offset that is wrong.
void ranges_that_overlap_by_a_little(bool wrong) {
  Stream left, right;
  float *from = device_memory(), *sum = nullptr;
  void* both = nullptr;
  check(cudaMalloc(&both, 2 * bytes));
  sum = static_cast<float*>(both);
  add_up(from, sum, left);
  add_up(from, sum + count - (wrong ? 1 : 0), right);
  check(cudaDeviceSynchronize());
}

const std::map<std::string, std::function<void(bool)>> mistakes = {
    {"event_recorded_too_early", event_recorded_too_early},
    {"missing_wait", missing_wait},
    {"event_of_another_stream", event_of_another_stream},
    {"buffer_reused_across_streams", buffer_reused_across_streams},
    {"two_streams_write_one_place", two_streams_write_one_place},
    {"host_memory_freed_under_a_copy", host_memory_freed_under_a_copy},
    {"host_memory_changed_under_a_copy", host_memory_changed_under_a_copy},
    {"result_read_before_it_is_there", result_read_before_it_is_there},
    {"another_thread_started_it", another_thread_started_it},
    {"flag_instead_of_a_mutex", flag_instead_of_a_mutex},
    {"ranges_that_overlap_by_a_little", ranges_that_overlap_by_a_little}};

}  // namespace

int main(int argc, char** argv) {
  const auto found = argc == 3 ? mistakes.find(argv[1]) : mistakes.end();
  if (found == mistakes.end()) {
    for (const auto& [name, mistake] : mistakes) std::puts(name.c_str());
    return argc == 1 ? 0 : 1;
  }
  found->second(std::strcmp(argv[2], "wrong") == 0);
}
