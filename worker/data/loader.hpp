// Makes micro-batches ahead of their use.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "worker/data/micro_batch.hpp"

namespace lockstep {

/// Makes a sequence of micro-batches on threads of its own. Each micro-batch is a function of its position
/// alone, so it depends neither on the number of threads nor on their timing.
class Loader {
 public:
  using Make = std::function<MicroBatch(std::int64_t position)>;

  /// `make` is called for positions below `end`, by `threads` threads at once (0: by get() itself), for at
  /// most `ahead` positions beyond the last one that get() was called for.
  Loader(Make make, std::int64_t end, std::int64_t threads, std::int64_t ahead);
  /// Waits for the calls of `make` that are under way; makes no others.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The micro-batch at `position`. A position that does not follow the last one restarts the sequence there.
  /// Throws what `make` has thrown for it.
  MicroBatch get(std::int64_t position);

 private:
  struct Slot {
    bool done = false;
    MicroBatch batch;
    std::exception_ptr failure;
  };

  void work();
  Slot made(std::int64_t position) const;
  Slot& slot(std::int64_t position) {
    return slots_[static_cast<std::size_t>(position % std::ssize(slots_))];
  }
  void restart(std::int64_t position);

  Make make_;
  std::int64_t end_;
  std::mutex mutex_;
  std::condition_variable room_, filled_;
  std::vector<Slot> slots_;                  ///< of positions expected_ .. expected_ + size - 1
  std::int64_t expected_ = 0, claimed_ = 0;  ///< the next for get(), the next to be made
  std::int64_t sequence_ = 0;                ///< counts restarts; what was begun before one is discarded
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace lockstep
