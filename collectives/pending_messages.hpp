// Messages of which each is dealt with as it arrives, and patience that ends.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "collectives/mpi_transport.hpp"

namespace lockstep {

/// One wait for other ranks: gives the core away, looks now and then whether they still live, and throws when
/// the transport's deadline has passed.
class Patience {
 public:
  static constexpr auto peer_check_interval = std::chrono::milliseconds(50);

  explicit Patience(MpiTransport& transport) : transport_(transport) { restart(); }
  ~Patience() { tell_of_waiting({}); }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// There was progress: the deadline counts from now.
  void restart();
  /// After a look in vain; `awaited` tells for whom, in an error. True when this gave the core away, and not
  /// just spun. Throws CollectiveError.
  bool pause(const std::function<std::vector<int>()>& awaited);
  /// The same, but sleeps, for a thread beside one that computes on this core.
  void sleep(const std::function<std::vector<int>()>& awaited);

 private:
  bool look_after_peers(const std::function<std::vector<int>()>& awaited);
  void tell_of_waiting(std::span<const int> ranks);

  MpiTransport& transport_;
  Clock::time_point end_, next_peer_check_;
  int polls_ = 0;
  bool told_ = false;
};

/// Sends and receives under way over a transport. Messages between two ranks are told apart by their tag, 2
/// and above, not by their order. Every one must be done before this is destroyed, or the transport has
/// failed.
class PendingMessages {
 public:
  explicit PendingMessages(MpiTransport& transport) : transport_(transport) {}

  void send(int peer, const void* data, std::size_t bytes, int tag);
  /// `label` is what poll() tells of its arrival.
  void receive(int peer, void* data, std::size_t bytes, int tag, std::int64_t label);
  /// Calls `arrived(label)` for every receive that has completed since; true when any message has. Throws
  /// CollectiveError.
  bool poll(const std::function<void(std::int64_t label)>& arrived);
  bool empty() const { return requests_.empty(); }
  /// The peers of what is still under way.
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
