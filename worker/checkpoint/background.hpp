// One action at a time on a background thread.
#pragma once

#include <atomic>
#include <functional>
#include <future>

namespace lockstep {

/// Runs an action in a thread of its own. Only the thread that constructed it may call its functions.
class Background {
 public:
  static constexpr int busy = 0, done = 1, failed = 2;

  /// The previous action must have been joined. The action must not call MPI.
  void start(std::function<void()> action);
  /// busy, done or failed; done when nothing was started.
  int status() const { return status_; }
  /// Waits for the action, if there is one, and throws what it threw.
  void join();

 private:
  std::atomic<int> status_ = done;
  std::future<void> thread_;  ///< its destructor waits for the thread
};

}  // namespace lockstep
