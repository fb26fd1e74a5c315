// The first virtual interface of the project (the second is Reduction): how bytes move between ranks, and
// where sums are computed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "collectives/gradient_format.hpp"
#include "collectives/tree.hpp"
#include "common/clock.hpp"
#include "common/error.hpp"

namespace lockstep {

class Reduction;
struct ReductionShape;

/// A peer died, stopped answering or reported an error while this rank waited for it.
class CollectiveError : public Error {
 public:
  CollectiveError(const std::string& problem, const std::string& why)
      : Error(ExitCode::peer_lost, problem, why,
              "run the same command again: it goes on from the newest checkpoint") {}
};

/// Bytes that go to `peer`.
struct Outgoing {
  int peer;
  const void* data;
  std::size_t bytes;
};

/// Room for bytes that come from `peer`.
struct Incoming {
  int peer;
  void* data;
  std::size_t bytes;
};

/// Moves bytes between the ranks of one job and adds in the memory that the bytes live in (host memory for
/// MPI, device memory for NCCL). It knows nothing of gradients. No function of it adds in an order of its
/// own. After a CollectiveError the transport is lost: messages may still be under way into the buffers, and
/// MPI_Finalize can wait for ever for the peer. Leave the process by _exit().
class Transport {
 public:
  virtual ~Transport() = default;
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual int rank() const = 0;
  virtual int world_size() const = 0;

  /// Collective: sends and receives everything listed, and returns when all of it has arrived. Messages
  /// between a pair of ranks match in the order in which both list them; sizes must agree; a message of 0
  /// bytes is allowed, one to oneself is not. Throws CollectiveError when a peer is gone or the deadline
  /// passes.
  virtual void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) = 0;

  /// sum[i] = what `merges` (as merge_schedule() orders them) make of partial_sums[0][i], partial_sums[1][i],
  /// ...; arrays of `count` float32, of whose values the partial sums' are of `format` already, and every sum
  /// is rounded to it. Reads every partial sum once and writes `sum`, which may be one of the partial sums;
  /// the others are not changed. Not collective.
  virtual void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
                        std::int64_t count, GradientFormat format) = 0;

  /// Returns when the device has done all that this rank has given it to compute: what comes then is waiting
  /// for other ranks. Not collective.
  virtual void finish_computing() {}

  /// Collective: all_gather() in the transport's own way; false when it has none, and messages must do.
  virtual bool gather_in_place([[maybe_unused]] void* buffer,
                               [[maybe_unused]] std::span<const Range> byte_ranges) {
    return false;
  }

  /// Collective: the reduction of gradients in this transport's memory, over it; see reduction.hpp.
  virtual std::unique_ptr<Reduction> make_reduction(ReductionShape shape);

  /// Scratch memory that exchange() and add_tree() accept, at least `bytes` long; the same block grows from
  /// call to call, so what an earlier call returned is no longer valid.
  virtual void* scratch(std::size_t bytes) = 0;

  /// Copies `bytes` bytes; either side may be host memory or memory of the transport. Done when it returns.
  /// Not collective.
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;

  /// Throws CollectiveError when a peer is already known to be gone, and returns at once otherwise. Not
  /// collective.
  virtual void check_peers() = 0;

  /// For messages: "mpi", "nccl", "staged".
  virtual std::string name() const = 0;

  /// How long this rank has stood still in exchanges since the transport was made: for peers that were not
  /// there yet, and for bytes on their way.
  Clock::duration time_waited() const { return time_waited_; }

  /// What this rank has sent since the transport was made, not counting what shared memory saved.
  struct Sent {
    std::int64_t messages = 0, bytes = 0;
    void add(const Sent& from, const Sent& to) {  // what was sent between two moments
      messages += to.messages - from.messages;
      bytes += to.bytes - from.bytes;
    }
  };
  const Sent& sent() const { return sent_; }

 protected:
  /// Of so many messages, none of them empty, each has `bytes`.
  void note_sent(std::int64_t messages, std::int64_t bytes) {
    sent_.messages += messages;
    sent_.bytes += messages * bytes;
  }

  Clock::duration time_waited_{};  ///< each wait of a transport adds itself

 private:
  Sent sent_;
};

}  // namespace lockstep
