// tests/regression/planted/publishes_early.cpp replaces this file at link time.
#include "worker/checkpoint/background.hpp"

#include <utility>

namespace lockstep {

void Background::start(std::function<void()> action) {
  status_ = busy;
  thread_ = std::async(std::launch::async, [this, action = std::move(action)] {
    try {
      action();
      status_ = done;
    } catch (...) {
      status_ = failed;
      throw;
    }
  });
}

void Background::join() {
  if (thread_.valid()) thread_.get();
}

}  // namespace lockstep
