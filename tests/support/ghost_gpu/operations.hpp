// Streams and events consist of operations. An operation runs when something waits for it, or at a random
// moment before.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
struct Operation;
}  // namespace lockstep::ghost

struct CUstream_st {
  bool ordinary = true;  ///< waits for the legacy default stream, which waits for it
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

struct Operation {
  CUstream_st* stream;
  std::vector<std::shared_ptr<Operation>> after;  ///< of other streams
  std::function<bool()> work;
  Progress progress = Progress::at_random;
  bool done = false;
};

/// All functions below must be called with lock() held, unless they say otherwise.

CUstream_st* stream_of(cudaStream_t stream);
/// The streams that the program has created, without the legacy default stream.
std::set<CUstream_st*>& made_streams();
/// Runs the operations of `stream` up to `until`. False if one of them needs a peer that has not arrived yet.
bool bring_on(CUstream_st* stream, const Operation* until);
/// At random, lets a stream go on by itself.
void go_on_at_random();
/// Queues an operation on `to`, behind `after` and not before the time `also`.
std::shared_ptr<Operation> add(cudaStream_t to, std::function<bool()> work,
                               std::vector<std::shared_ptr<Operation>> after, const Clock* also);
/// Waits until the operation is done. Must be called without the lock, which the threads that complete it
/// need.
void wait_until_done(const std::shared_ptr<Operation>& operation);
/// Whether the operation is done; if asked often enough, it becomes done.
bool is_done_by_now(const std::shared_ptr<Operation>& operation, const Clock& clock);

}  // namespace lockstep::ghost
