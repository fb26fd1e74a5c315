// The runtime's functions on streams and events.
#include <ctime>

#include "tests/support/ghost_gpu/operations.hpp"

namespace {

double now_in_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

}  // namespace

using namespace lockstep::ghost;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (const auto error = begin_call("cudaStreamCreateWithFlags")) return error;
  const std::lock_guard guard(lock());
  *stream = new CUstream_st{.ordinary = flags != cudaStreamNonBlocking};
  made_streams().insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (const auto error = begin_call("cudaStreamDestroy")) return error;
  wait_for(stream);
  const std::lock_guard guard(lock());
  made_streams().erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const auto error = begin_call("cudaStreamQuery")) return error;
  const std::lock_guard guard(lock());
  const auto& last = stream_of(stream)->last;
  return !last || is_done_by_now(last, stream_of(stream)->clock) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const auto error = begin_call("cudaStreamSynchronize")) return error;
  wait_for(stream);
  return failure();
}

cudaError_t cudaDeviceSynchronize() {
  if (const auto error = begin_call("cudaDeviceSynchronize")) return error;
  wait_for_all();
  return failure();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  if (const auto error = begin_call("cudaStreamWaitEvent")) return error;
  const std::lock_guard guard(lock());
  if (!event->record) return cudaSuccess;  // as in CUDA: there is nothing to wait for
  add(stream, nullptr, {event->record}, &event->clock);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  if (const auto error = begin_call("cudaEventCreateWithFlags")) return error;
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (const auto error = begin_call("cudaEventDestroy")) return error;
  const std::lock_guard guard(lock());
  if (event->record) bring_on(event->record->stream, event->record.get());  // its work writes to the event
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const auto error = begin_call("cudaEventRecord")) return error;
  const std::lock_guard guard(lock());
  event->record = add(
      stream,
      [event] {
        event->milliseconds = now_in_milliseconds();
        return true;
      },
      {}, nullptr);
  event->clock = stream_of(stream)->clock;
  go_on_at_random();
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int) {
  return cudaEventRecord(event, stream);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const auto error = begin_call("cudaEventQuery")) return error;
  const std::lock_guard guard(lock());
  return !event->record || is_done_by_now(event->record, event->clock) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const auto error = begin_call("cudaEventSynchronize")) return error;
  if (event->record) wait_until_done(event->record);
  clock_of_thread().join(event->clock);
  return failure();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (const auto error = begin_call("cudaEventElapsedTime")) return error;
  const std::lock_guard guard(lock());
  if (!begin->record || !end->record) return cudaErrorInvalidResourceHandle;
  if (!begin->record->done || !end->record->done) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(end->milliseconds - begin->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (const auto error = begin_call("cudaLaunchHostFunc")) return error;
  give(stream, "host function", {}, [=] {
    function(data);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function, void* data,
                                  unsigned int) {
  if (const auto error = begin_call("cudaStreamAddCallback")) return error;
  give(stream, "callback", {}, [=] {
    function(stream, cudaSuccess, data);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t*, const cudaGraphNode_t**, const cudaGraphEdgeData**,
                                     size_t* dependencies) {
  *status = cudaStreamCaptureStatusNone;
  if (id != nullptr) *id = 0;
  if (dependencies != nullptr) *dependencies = 0;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) { return cudaSuccess; }

}  // extern "C"
