// What streams and events consist of: operations, each of which runs when something waits for it, or at a
// random moment before.
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

struct Operation {
  CUstream_st* stream;
  std::vector<std::shared_ptr<Operation>> after;  ///< of other streams
  std::function<bool()> work;
  Progress progress = Progress::at_random;
  bool done = false;
};

/// All functions from here on: with lock() held, unless they say otherwise.

CUstream_st* stream_of(cudaStream_t stream);
/// Those that the program has made, beside the legacy default stream.
std::set<CUstream_st*>& made_streams();
/// Carries out `stream` up to `until`. False where something in the way takes a peer that has not come yet.
bool bring_on(CUstream_st* stream, const Operation* until);
/// Now and then a stream goes on by itself.
void go_on_at_random();
/// Gives `to` an operation, behind `after` and at the earliest at the time `also`.
std::shared_ptr<Operation> add(cudaStream_t to, std::function<bool()> work,
                               std::vector<std::shared_ptr<Operation>> after, const Clock* also);
/// Until the operation is done; to be called without the lock, for the threads that bring it about.
void wait_until_done(const std::shared_ptr<Operation>& operation);
/// Whether the operation is done; asked for long enough, it will be.
bool is_done_by_now(const std::shared_ptr<Operation>& operation, const Clock& clock);

}  // namespace lockstep::ghost
