#include "worker/data/loader.hpp"

#include <algorithm>
#include <utility>

namespace lockstep {

Loader::Loader(Make make, std::int64_t end, std::int64_t threads, std::int64_t ahead)
    : make_(std::move(make)), end_(end), slots_(static_cast<std::size_t>(std::max(ahead, threads))) {
  claimed_ = end_;  // until the first get() there is nothing to do
  for (std::int64_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  threads_.clear();
}

void Loader::restart(std::int64_t position) {
  ++sequence_;
  expected_ = claimed_ = position;
  std::ranges::fill(slots_, Slot{});
}

Loader::Slot Loader::made(std::int64_t position) const {
  try {
    return {true, make_(position), nullptr};
  } catch (...) {
    return {true, {}, std::current_exception()};
  }
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock,
               [&] { return stopping_ || (claimed_ < end_ && claimed_ < expected_ + std::ssize(slots_)); });
    if (stopping_) return;
    const auto position = claimed_++, sequence = sequence_;
    lock.unlock();
    auto result = made(position);
    lock.lock();
    if (sequence != sequence_) continue;
    slot(position) = std::move(result);
    filled_.notify_all();
  }
}

MicroBatch Loader::get(std::int64_t position) {
  Slot taken;
  if (threads_.empty()) {
    taken = made(position);
  } else {
    std::unique_lock lock(mutex_);
    if (sequence_ == 0 || position != expected_) restart(position);
    room_.notify_all();
    filled_.wait(lock, [&] { return slot(position).done; });
    taken = std::exchange(slot(position), {});
    ++expected_;
    room_.notify_all();
  }
  if (taken.failure) std::rethrow_exception(taken.failure);
  return std::move(taken.batch);
}

}  // namespace lockstep
