// Point-to-point messages over MPI, sums in host memory.
#pragma once

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collectives/mpi.hpp"
#include "collectives/peer_process.hpp"
#include "collectives/transport.hpp"
#include "common/clock.hpp"

namespace lockstep {

/// The memory is host memory. Every wait is bounded: a peer on this host that ends is noticed within about 50
/// ms, any other peer that does not answer when the deadline of the call has passed. Use from one thread at a
/// time.
class MpiTransport final : public Transport {
 public:
  /// Collective over `communicator`, which it duplicates and whose error handler it sets to
  /// MPI_ERRORS_RETURN; the ranks tell one another which process they are. `deadline` bounds every exchange,
  /// this one included. Throws CollectiveError.
  MpiTransport(MPI_Comm communicator, std::chrono::milliseconds deadline);
  ~MpiTransport() override;

  int rank() const override { return rank_; }
  int world_size() const override { return world_size_; }
  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override;
  void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
                std::int64_t count, GradientFormat format) override;
  void* scratch(std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void check_peers() override;
  std::string name() const override { return "mpi"; }

  /// Polls `done()` until it is true: for what other processes change in shared memory. `awaited` returns the
  /// ranks that are waited for. Bounded, and watched for peers that end, like an exchange. Throws
  /// CollectiveError.
  void wait_until(const std::function<bool()>& done, const std::function<std::vector<int>()>& awaited);

  /// During a long wait, `listener` is called about every 50 ms with the ranks that are waited for, and when
  /// it is over with none; on the thread that waits.
  void tell_of_waiting(std::function<void(std::span<const int> ranks)> listener) {
    on_waiting_ = std::move(listener);
  }

  /// Calls that listener, for waits outside this transport.
  void say_waiting_for(std::span<const int> ranks) {
    if (on_waiting_) on_waiting_(ranks);
  }

  /// Adds to time_waited() what the main thread has waited outside exchange().
  void note_waited(Clock::duration time) { time_waited_ += time; }

  /// True when both ranks run on one host, under one kernel, and see one another's processes.
  bool same_host(int rank, int other) const;
  /// The name of the host of `rank`.
  std::string host_of(int rank) const { return peers_[rank].host; }

  /// Bounds every exchange from now on.
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }
  /// Like a barrier, but returns false if a rank does not arrive within `patience`; the transport is then
  /// unusable. After true, MPI_Finalize() does not wait for anybody.
  bool all_leave_within(std::chrono::milliseconds patience);

  /// "rank 3 on node-3 (process 4711)".
  std::string describe_rank(int rank) const;
  /// "rank 3 on node-3 (process 4711), rank 5 on node-5 (process 12)"; long lists are cut short.
  std::string describe_ranks(std::vector<int> ranks) const;

 private:
  friend class PendingMessages;
  friend class Patience;

  void post(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming);
  void wait();
  void check(int mpi_error);
  void fail_if_peers_ended();
  [[noreturn]] void fail(const std::string& problem, const std::string& why);
  [[noreturn]] void fail_exchange(int mpi_error, const std::vector<int>& culprits);
  std::vector<int> awaited_ranks();

  MPI_Comm communicator_ = MPI_COMM_NULL;
  std::chrono::milliseconds deadline_;
  int rank_ = 0;
  int world_size_ = 1;
  bool failed_ = false;
  PeerProcess self_;
  std::vector<PeerProcess> peers_;  // by rank; empty until all have been heard from
  std::function<void(std::span<const int>)> on_waiting_;
  Clock::time_point next_peer_check_;
  std::vector<MPI_Request> requests_;  // of the exchange under way
  std::vector<int> request_peers_;     // the peer of each request
  std::vector<MPI_Status> statuses_;

  struct FreeMemory {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, FreeMemory> scratch_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace lockstep
