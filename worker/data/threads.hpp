// Runs a loop on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "collectives/tree.hpp"

namespace lockstep {

/// Calls work(i, own) once for every i of `range`, on `threads` threads that each have their own Own, until
/// stop() returns true. Returns the i at which it stopped: all calls before it are done, and none from it on.
/// When a call throws, no further ones begin, and the exception of the lowest i that threw is rethrown.
template <class Own, class Work, class Stop>
std::int64_t for_each_on_threads_until(Range range, std::int64_t threads, Work work, Stop stop) {
  std::atomic<std::int64_t> next = range.begin;
  std::mutex mutex;
  std::exception_ptr failure;
  std::int64_t failed_at = range.end;
  const auto loop = [&] {
    try {
      Own own;
      for (std::int64_t i; !stop() && (i = next++) < range.end;) {
        try {
          work(i, own);
        } catch (...) {
          const std::lock_guard lock(mutex);
          next = range.end;
          if (i < failed_at) {
            failed_at = i;
            failure = std::current_exception();
          }
        }
      }
    } catch (...) {  // no Own
      const std::lock_guard lock(mutex);
      next = range.end;
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::jthread> others;
  for (std::int64_t i = 1; i < std::min(threads, range.size()); ++i) others.emplace_back(loop);
  loop();
  others.clear();
  if (failure) std::rethrow_exception(failure);
  return std::min(next.load(), range.end);
}

template <class Own, class Work>
void for_each_on_threads(Range range, std::int64_t threads, Work work) {
  for_each_on_threads_until<Own>(range, threads, work, [] { return false; });
}

}  // namespace lockstep
