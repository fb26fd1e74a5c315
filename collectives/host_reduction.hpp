// The sum of all ranks' gradients along the fixed tree, in host memory: ranks of a host read one another's
// gradients where they lie, and hosts exchange what their ranks together have left over.
#pragma once

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "collectives/add_tree.hpp"
#include "collectives/gradient_format.hpp"
#include "collectives/host_memory.hpp"
#include "collectives/pending_messages.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// Of the thread below that exchanges messages, as `top -H` shows it.
inline constexpr const char* exchange_thread_name = "lockstep-sums";

/// A reduce-scatter that begins while gradients are still being computed. The same bits come out for any
/// world size and any grouping of the ranks into hosts.
///
/// Every rank has a few flat buffers for the subtree sums of its leaves, which LeafWalk numbers. When the
/// ranks of a group have published a bucket, the one that stands for its owner adds the group's partial sums
/// and sends what is left over to the owner, who adds everybody's in tree order. Local rank i of another
/// group is stood for by local rank i mod local_size, so all ranks of a host take part in its exchange. Where
/// there are other groups, a thread of its own does all this beside the backward pass: progress does not
/// depend on when the program happens to call MPI. Between start() and finish() no other thread may call MPI
/// (MPI_THREAD_SERIALIZED). Bytes and messages: docs/collectives.md.
class HostReduction {
 public:
  /// Collective over all ranks. `leaves`: micro-batches of a step. `shards`: for every rank the elements of
  /// the flat buffer that it receives, the same on all ranks; may be empty. `elements`: of the flat buffer.
  /// `bucket`: elements that are sent and added at a time, the same on all ranks. `rounding`: which elements
  /// are rounded to 16 bits at every node of the tree, and go between groups as such; the leaves must be so
  /// rounded already. Throws Error (config), CollectiveError.
  HostReduction(HostMemory& host, std::int64_t leaves, std::vector<Range> shards, std::int64_t elements,
                std::int64_t bucket, Rounding rounding = {});
  /// Where an error has kept finish() from being called, messages may still be under way: the transport is
  /// lost.
  ~HostReduction();

  /// This rank's flat buffers, float32 [elements] each, zero-filled at first: one for each slot of its
  /// LeafWalk.
  std::span<float* const> buffers() const { return buffers_; }

  /// Begins the sum of one step, into `sum`, float32 [this rank's shard]. The buffers must not be written
  /// before, or peers of the group could take old values for new.
  void start(float* sum);
  /// From now on elements [from, elements) of this rank's left-over partial sums are final; `from` only
  /// falls.
  void publish(std::int64_t from);
  /// Collective: publishes the rest, and returns when `sum` is complete and no rank reads this rank's
  /// buffers any more. Throws CollectiveError.
  void finish();

 private:
  /// A node that the group has left over for others: partial sums [begin, end) of the group, and how they are
  /// added.
  struct Output {
    std::size_t begin, end;
    std::vector<Merge> merges;
  };
  /// The buckets that this rank sends to one rank of another group, from the end of its shard.
  struct Transfer {
    int owner;
    std::int64_t next = 0;
    std::vector<std::byte> messages = {};  ///< of all its buckets, where they are encoded
  };
  struct Published;
  struct PartialSums;

  void find_memory(std::int64_t leaves);
  void plan_sums(std::int64_t leaves);
  void reduce();
  bool send_ready(PendingMessages& messages, std::int64_t ready);
  bool add_ready(std::int64_t ready);
  void post_receives(PendingMessages& messages);
  std::byte* message_of(const void* values);
  std::int64_t final_from(int local_rank) const;
  std::int64_t final_from_in_group() const;
  std::vector<int> awaited(const PendingMessages& messages) const;
  Range bucket_of(int owner, std::int64_t index) const;
  std::int64_t bucket_count(int owner) const;
  Range rounded_part(Range bucket) const;
  std::int64_t message_bytes(Range bucket) const;
  void encode(const float* values, Range bucket, std::byte* message) const;
  void decode(const std::byte* message, Range bucket, float* values) const;
  void add(std::vector<const float*> parts, std::span<const Merge> merges, float* sum, Range bucket,
           Stores stores = Stores::cached) const;
  Published& published(int local_rank) const;

  HostMemory& host_;
  const int rank_;
  std::vector<Range> shards_;
  std::int64_t elements_, bucket_;
  Rounding rounding_;
  SharedBlock memory_, published_;
  std::vector<float*> buffers_;             ///< of this rank
  std::vector<float*> group_partial_sums_;  ///< what the ranks of the group have left over, in tree order
  std::vector<Output> outputs_;
  std::vector<Transfer> transfers_;
  /// All partial sums of this rank's shard in tree order: those of the group in place (their shard), the
  /// others' in `received_`; and how they are added.
  std::vector<const float*> partial_sums_;
  std::vector<Merge> merges_;
  std::vector<float> received_;
  std::vector<std::byte> received_messages_;  ///< where they are encoded; each at its values' place
  /// Who sends what: of each other group the rank that stands for this one, and its partial sums among
  /// `partial_sums_`.
  struct Source {
    int rank;
    std::size_t first, count;
  };
  std::vector<Source> sources_;
  std::int64_t remote_partial_sums_ = 0;

  // The step under way.
  float* sum_ = nullptr;
  std::int64_t step_ = 0;
  std::vector<std::int64_t> arrived_;  ///< partial sums, of each bucket of this rank's shard
  std::int64_t added_ = 0;             ///< buckets
  std::vector<bool> done_;             ///< of each bucket
  std::thread thread_;
  std::exception_ptr failure_;
  std::atomic<bool> hurry_ = false;      ///< the main thread waits
  std::atomic<bool> abandoned_ = false;  ///< there will be no finish()
};

}  // namespace lockstep
