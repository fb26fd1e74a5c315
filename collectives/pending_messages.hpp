// Messages that are handled as they arrive, and waits that end at a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "collectives/mpi_transport.hpp"

namespace lockstep {

/// One wait for other ranks: yields the core, checks now and then that the other ranks still live, and throws
/// when the transport's deadline has passed.
class Patience {
 public:
  static constexpr auto peer_check_interval = std::chrono::milliseconds(50);

  explicit Patience(MpiTransport& transport) : transport_(transport) { restart(); }
  ~Patience() { tell_of_waiting({}); }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// There was progress: the deadline counts from now.
  void restart();
  /// Call after polling without success. It spins at first, and yields the core later; returns true if it
  /// yielded. `awaited` returns the ranks that are waited for. Throws CollectiveError.
  bool pause(const std::function<std::vector<int>()>& awaited);
  /// The same, but sleeps: for a thread that shares its core with one that computes.
  void sleep(const std::function<std::vector<int>()>& awaited);

 private:
  bool look_after_peers(const std::function<std::vector<int>()>& awaited);
  void tell_of_waiting(std::span<const int> ranks);

  MpiTransport& transport_;
  Clock::time_point end_, next_peer_check_;
  int polls_ = 0;
  bool told_ = false;
};

/// Sends and receives in flight over a transport. Messages between two ranks are told apart by their tag, 2
/// and above, not by their order. All must have completed before this is destroyed, unless the transport has
/// failed.
class PendingMessages {
 public:
  explicit PendingMessages(MpiTransport& transport) : transport_(transport) {}

  void send(int peer, const void* data, std::size_t bytes, int tag);
  /// poll() reports its completion by `label`, 0 or more.
  void receive(int peer, void* data, std::size_t bytes, int tag, std::int64_t label);
  /// Calls `arrived(label)` for every receive that has completed since the last call. Returns true if any
  /// message has completed. Throws CollectiveError.
  bool poll(const std::function<void(std::int64_t label)>& arrived);
  bool empty() const { return requests_.empty(); }
  /// The peers of the messages in flight.
  std::vector<int> peers() const;

 private:
  struct Message {
    int peer;
    std::int64_t label;  // -1: a send
  };
  void add(int mpi_error, const Message& message);

  MpiTransport& transport_;
  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;  // of each request
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace lockstep
