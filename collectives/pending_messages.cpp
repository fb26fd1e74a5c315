#include "collectives/pending_messages.hpp"

#include <sched.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>
#include <thread>

namespace lockstep {
namespace {

constexpr int polls_before_yield = 64;  // after that the core may belong to the rank that is waited for
constexpr auto nap = std::chrono::microseconds(50);

}  // namespace

void Patience::restart() {
  const auto now = Clock::now();
  end_ = now + transport_.deadline_;
  next_peer_check_ = now + peer_check_interval;
  polls_ = 0;
  tell_of_waiting({});
}

bool Patience::pause(const std::function<std::vector<int>()>& awaited) {
  if (polls_ < polls_before_yield) {
    ++polls_;
    return false;
  }
  sched_yield();
  if (look_after_peers(awaited)) tell_of_waiting(awaited());
  return true;
}

void Patience::sleep(const std::function<std::vector<int>()>& awaited) {
  std::this_thread::sleep_for(nap);
  look_after_peers(awaited);
}

void Patience::tell_of_waiting(std::span<const int> ranks) {
  if (!transport_.on_waiting_ || (ranks.empty() && !told_)) return;
  transport_.on_waiting_(ranks);
  told_ = !ranks.empty();
}

/// True now and then: when it has looked.
bool Patience::look_after_peers(const std::function<std::vector<int>()>& awaited) {
  const auto now = Clock::now();
  const bool looks = now >= next_peer_check_;
  if (looks) {
    next_peer_check_ = now + peer_check_interval;
    transport_.fail_if_peers_ended();
  }
  if (now < end_) return looks;
  const auto milliseconds = std::to_string(transport_.deadline_.count());
  transport_.fail("no answer within " + milliseconds + " ms from " + transport_.describe_ranks(awaited()),
                  "stopped, cut off, or busy for longer than the deadline");
}

void PendingMessages::add(int mpi_error, const Message& message) {
  assert(message.peer >= 0 && message.peer < transport_.world_size() && message.peer != transport_.rank());
  messages_.push_back(message);
  if (mpi_error != MPI_SUCCESS) transport_.fail_exchange(mpi_error, {message.peer});
}

void PendingMessages::send(int peer, const void* data, std::size_t bytes, int tag) {
  assert(tag >= 2 && bytes <= std::numeric_limits<int>::max());
  transport_.note_sent(1, static_cast<std::int64_t>(bytes));
  const int error = MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, peer, tag, transport_.communicator_,
                              &requests_.emplace_back(MPI_REQUEST_NULL));
  add(error, {peer, -1});
}

void PendingMessages::receive(int peer, void* data, std::size_t bytes, int tag, std::int64_t label) {
  assert(tag >= 2 && label >= 0 && bytes <= std::numeric_limits<int>::max());
  const int error = MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, peer, tag, transport_.communicator_,
                              &requests_.emplace_back(MPI_REQUEST_NULL));
  add(error, {peer, label});
}

bool PendingMessages::poll(const std::function<void(std::int64_t label)>& arrived) {
  if (requests_.empty()) return false;
  int count = 0;
  completed_.resize(requests_.size());
  statuses_.resize(requests_.size());
  const int error = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                                 completed_.data(), statuses_.data());
  if (error != MPI_SUCCESS) transport_.fail_exchange(error, peers());
  if (count <= 0) return false;
  completed_.resize(static_cast<std::size_t>(count));
  std::ranges::sort(completed_, std::greater());  // from the back, so that places stay valid
  for (const int place : completed_) {
    if (messages_[place].label >= 0) arrived(messages_[place].label);
    requests_[place] = requests_.back();
    requests_.pop_back();
    messages_[place] = messages_.back();
    messages_.pop_back();
  }
  return true;
}

std::vector<int> PendingMessages::peers() const {
  std::vector<int> peers;
  for (const auto& message : messages_) peers.push_back(message.peer);
  return peers;
}

}  // namespace lockstep
