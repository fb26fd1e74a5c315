// The order in which operations run.
#include "tests/support/ghost_gpu/operations.hpp"

#include <sched.h>

#include <random>

namespace lockstep::ghost {
namespace {

/// The streams, and the random generator that decides when they go on.
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

}  // namespace

std::set<CUstream_st*>& made_streams() { return streams().others; }

CUstream_st* stream_of(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy ? &streams().legacy : stream;
}

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

void wait_until_done(const std::shared_ptr<Operation>& operation) {
  for (;;) {
    {
      const std::lock_guard guard(lock());
      if (failure() != cudaSuccess || bring_on(operation->stream, operation.get())) return;
    }
    sched_yield();
  }
}

bool is_done_by_now(const std::shared_ptr<Operation>& operation, const Clock& clock) {
  if (!operation->done && (streams().throw_dice(2) || !bring_on(operation->stream, operation.get())))
    return false;
  clock_of_thread().join(clock);
  return true;
}

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
  // The legacy default stream waits for the ordinary streams: an operation of its own does that waiting.
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
