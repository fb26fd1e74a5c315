// Streams and events. An operation runs when something waits for it, or at a random moment before.
#include <sched.h>

#include <cstdio>
#include <deque>
#include <memory>
#include <random>
#include <set>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {
struct Operation;
}
}  // namespace lockstep::ghost

struct CUstream_st {
  bool ordinary = true;  ///< it waits for the legacy default stream, which waits for it
  int agent = lockstep::ghost::new_agent();
  lockstep::ghost::Clock clock = {};
  std::deque<std::shared_ptr<lockstep::ghost::Operation>> pending = {};
  std::shared_ptr<lockstep::ghost::Operation> last = nullptr;
};

struct CUevent_st {
  std::shared_ptr<lockstep::ghost::Operation> record = nullptr;  ///< null: never recorded
  lockstep::ghost::Clock clock = {};
  double milliseconds = 0;
};

namespace lockstep::ghost {
namespace {

struct Operation {
  CUstream_st* stream;
  std::vector<std::shared_ptr<Operation>> after;  ///< of other streams
  std::function<bool()> work;
  Progress progress = Progress::at_random;
  bool done = false;
};

/// The streams, and the dice that say when they go on.
struct Streams {
  CUstream_st legacy{.ordinary = false};
  std::set<CUstream_st*> others;
  std::mt19937 dice{static_cast<unsigned>(number_from("GHOST_SEED", 1))};

  bool throw_dice(unsigned one_in) { return dice() % one_in == 0; }
};

Streams& streams() {
  static Streams streams;
  return streams;
}

CUstream_st* stream_of(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy ? &streams().legacy : stream;
}

/// False where something in the way takes a peer that has not come yet.
bool bring_on(CUstream_st* stream, const Operation* until) {
  while (!until->done) {
    const auto next = stream->pending.front();
    for (const auto& before : next->after) {
      if (!before->done && !bring_on(before->stream, before.get())) return false;
    }
    if (next->work && !next->work()) return false;
    next->done = true;
    next->work = nullptr;
    next->after.clear();
    stream->pending.pop_front();
  }
  return true;
}

/// Now and then a stream goes on by itself.
void go_on_at_random() {
  auto& all = streams();
  if (!all.throw_dice(8)) return;
  std::vector<CUstream_st*> waiting;
  if (!all.legacy.pending.empty()) waiting.push_back(&all.legacy);
  for (auto* stream : all.others) {
    if (!stream->pending.empty()) waiting.push_back(stream);
  }
  if (waiting.empty()) return;
  auto* const stream = waiting[all.dice() % waiting.size()];
  const auto last = all.dice() % stream->pending.size();
  for (std::size_t i = 0; i <= last && !stream->pending.empty(); ++i) {
    const auto operation = stream->pending.front();
    if (operation->progress == Progress::when_waited_for || !bring_on(stream, operation.get())) return;
  }
}

std::shared_ptr<Operation> add(cudaStream_t to, std::function<bool()> work,
                               std::vector<std::shared_ptr<Operation>> after, const Clock* also) {
  auto& all = streams();
  auto* const stream = stream_of(to);
  auto& clock = stream->clock;
  clock.join(clock_of_thread());
  if (also != nullptr) clock.join(*also);
  const auto follow = [&](const CUstream_st& other) {
    if (other.last && !other.last->done) after.push_back(other.last);
    clock.join(other.clock);
  };
  if (stream == &all.legacy) {
    for (const auto* other : all.others) {
      if (other->ordinary) follow(*other);
    }
  } else if (stream->ordinary) {
    follow(all.legacy);
  }
  clock.tick(stream->agent);
  const auto operation = std::make_shared<Operation>(Operation{stream, std::move(after), std::move(work)});
  stream->pending.push_back(operation);
  stream->last = operation;
  return operation;
}

/// Until the operation is done; the lock is free in between, for the threads that bring it about.
void wait_until_done(const std::shared_ptr<Operation>& operation) {
  for (;;) {
    {
      const std::lock_guard guard(lock());
      if (failure() != cudaSuccess || bring_on(operation->stream, operation.get())) return;
    }
    sched_yield();
  }
}

double now_in_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

/// Whether the operation is done; asked for long enough, it will be.
bool is_done_by_now(const std::shared_ptr<Operation>& operation, const Clock& clock) {
  if (!operation->done && (streams().throw_dice(2) || !bring_on(operation->stream, operation.get())))
    return false;
  clock_of_thread().join(clock);
  return true;
}

}  // namespace

void give(cudaStream_t stream, const std::string& what, const std::vector<Access>& accesses,
          std::function<bool()> work, Progress progress) {
  const std::lock_guard guard(lock());
  add(stream, std::move(work), {}, nullptr)->progress = progress;
  const auto* const where = stream_of(stream);
  check_accesses(what, where->agent, where->clock, accesses);
  go_on_at_random();
}

void bring_on(cudaStream_t stream) {
  const std::lock_guard guard(lock());
  const auto& last = stream_of(stream)->last;
  if (last) bring_on(stream_of(stream), last.get());
}

void wait_for(cudaStream_t stream) {
  std::unique_lock guard(lock());
  // The legacy default stream waits for the ordinary ones: an operation of its own does so.
  const auto last = stream_of(stream) == &streams().legacy ? add(stream, nullptr, {}, nullptr) : stream->last;
  const auto clock = stream_of(stream)->clock;
  guard.unlock();
  if (last) wait_until_done(last);
  clock_of_thread().join(clock);
}

void wait_for_all() {
  std::vector<CUstream_st*> all;
  {
    const std::lock_guard guard(lock());
    all.assign(streams().others.begin(), streams().others.end());
  }
  for (auto* stream : all) wait_for(stream);
  wait_for(cudaStreamLegacy);
}

}  // namespace lockstep::ghost

using namespace lockstep::ghost;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (const auto error = begin_call("cudaStreamCreateWithFlags")) return error;
  const std::lock_guard guard(lock());
  *stream = new CUstream_st{.ordinary = flags != cudaStreamNonBlocking};
  streams().others.insert(*stream);
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
  streams().others.erase(stream);
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
  if (!event->record) return cudaSuccess;  // as the original: there is nothing to wait for
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
