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

/// Moves bytes between the ranks of one job, and adds in the memory where the bytes are (host memory for MPI,
/// device memory for NCCL). It knows nothing of gradients, and never chooses an order of addition. After a
/// CollectiveError the transport is unusable: messages may still be in flight into the buffers, and
/// MPI_Finalize could wait for the peer forever. Leave the process by _exit().
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

  /// Waits until the device has finished what this rank has given it to compute, so that what follows counts
  /// as waiting for other ranks. Not collective.
  virtual void finish_computing() {}

  /// Collective: all_gather() in the transport's own way. Returns false if it has none; then messages are
  /// sent.
  virtual bool gather_in_place([[maybe_unused]] void* buffer,
                               [[maybe_unused]] std::span<const Range> byte_ranges) {
    return false;
  }

  /// Collective: the reduction of gradients in this transport's memory, over it; see reduction.hpp.
  virtual std::unique_ptr<Reduction> make_reduction(ReductionShape shape);

  /// Scratch memory that exchange() and add_tree() accept, at least `bytes` long. There is one block, which
  /// grows from call to call: what an earlier call returned is no longer valid.
  virtual void* scratch(std::size_t bytes) = 0;

  /// Copies `bytes` bytes; either side may be host memory or memory of the transport. Complete when it
  /// returns. Not collective.
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;

  /// Throws CollectiveError if a peer is known to be gone. Never waits. Not collective.
  virtual void check_peers() = 0;

  /// For messages: "mpi", "nccl", "staged".
  virtual std::string name() const = 0;

  /// How long this rank has been blocked in exchanges since the transport was made: by peers that were late,
  /// and by bytes in flight.
  Clock::duration time_waited() const { return time_waited_; }

  /// What this rank has sent since the transport was made; what went through shared memory is not counted.
  struct Sent {
    std::int64_t messages = 0, bytes = 0;
    void add(const Sent& from, const Sent& to) {  // what was sent between two moments
      messages += to.messages - from.messages;
      bytes += to.bytes - from.bytes;
    }
  };
  const Sent& sent() const { return sent_; }

 protected:
  /// Counts so many messages of `bytes` each, none of them empty.
  void note_sent(std::int64_t messages, std::int64_t bytes) {
    sent_.messages += messages;
    sent_.bytes += messages * bytes;
  }

  Clock::duration time_waited_{};  ///< each wait of a transport adds itself

 private:
  Sent sent_;
};

}  // namespace lockstep
