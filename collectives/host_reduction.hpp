// The sum of all ranks' gradients along the fixed tree, in host memory: ranks of a host read one another's
// gradients where they lie, and hosts exchange what their ranks together have left over.
#pragma once

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "collectives/bucket_format.hpp"
#include "collectives/host_memory.hpp"
#include "collectives/host_reduction_plan.hpp"
#include "collectives/pending_messages.hpp"
#include "collectives/reduction.hpp"

namespace lockstep {

/// Of the thread below that exchanges messages, as `top -H` shows it.
inline constexpr const char* exchange_thread_name = "lockstep-sums";

/// A reduce-scatter that begins while gradients are still being computed. The same bits come out for any
/// world size and any grouping of the ranks into hosts.
///
/// When all ranks of a group have published a bucket, one of them adds the group's partial sums of it and
/// sends the result to the bucket's owner, who adds what all groups send in tree order. That rank is local
/// rank i mod local_size for an owner that is local rank i of its own group, so all ranks of a host take part
/// in its exchange. Where there are other groups, a thread of its own does this during the backward pass, so
/// progress does not depend on when the main thread calls MPI. Between start() and finish() no other thread
/// may call MPI (MPI_THREAD_SERIALIZED). Bytes and messages: docs/collectives.md.
class HostReduction final : public Reduction {
 public:
  /// Collective over all ranks. `bucket`: elements that are sent and added at a time, the same on all ranks.
  /// Throws Error (config), CollectiveError.
  HostReduction(HostMemory& host, ReductionShape shape, std::int64_t bucket);
  /// Where an error has kept finish() from being called, messages may still be under way: the transport is
  /// lost.
  ~HostReduction() override;

  std::span<float* const> buffers() const override { return buffers_; }
  void start(float* sum) override;
  void publish(std::int64_t from) override;
  /// The partial sums lie in buffers().
  void send(std::span<float* const> partial_sums) override;
  void finish() override;

 private:
  /// The buckets that this rank sends to one rank of another group, from the end of its shard.
  struct Transfer {
    int owner;
    std::int64_t next = 0;
    std::vector<std::byte> messages = {};  ///< of all its buckets, where they are encoded
  };
  enum class State { idle, started, sent };
  struct Published;

  void find_memory();
  void find_terms();
  void run_exchange();
  void reduce();
  bool send_ready(PendingMessages& messages, std::int64_t ready);
  void send_bucket(PendingMessages& messages, Transfer& transfer, Range bucket);
  bool add_ready(std::int64_t ready);
  void add_bucket(Range bucket);
  void post_receives(PendingMessages& messages);
  std::byte* message_of(const void* values);
  std::int64_t final_from(int local_rank) const;
  std::int64_t final_from_in_group() const;
  std::vector<int> awaited(const PendingMessages& messages) const;
  Range bucket_of(int owner, std::int64_t index) const;
  std::int64_t bucket_count(int owner) const;
  Published& published(int local_rank) const;
  bool has_other_groups() const { return host_.groups().size() > 1; }

  HostMemory& host_;
  const int rank_;
  const ReductionShape shape_;
  const std::int64_t bucket_;
  const HostReductionPlan plan_;
  const BucketFormat format_;
  SharedBlock memory_, published_;
  std::vector<float*> buffers_;             ///< of this rank
  std::vector<float*> group_partial_sums_;  ///< what the ranks of the group have left over, in tree order
  std::vector<Transfer> transfers_;         ///< to plan_.receivers
  /// plan_.terms, from the begin of this rank's shard: in the group's memory, or in `received_`.
  std::vector<const float*> terms_;
  std::vector<float> received_;
  std::vector<std::byte> received_messages_;  ///< where they are encoded; each at its values' place

  // The step under way.
  State state_ = State::idle;
  float* sum_ = nullptr;
  std::int64_t step_ = 0;
  std::int64_t published_from_ = 0;
  std::vector<std::int64_t> arrived_;  ///< messages, of each bucket of this rank's shard
  std::int64_t added_ = 0;             ///< buckets
  std::vector<bool> done_;             ///< of each bucket
  std::thread thread_;
  std::exception_ptr failure_;
  std::atomic<bool> main_thread_waits_ = false;
  std::atomic<bool> abandoned_ = false;  ///< there will be no finish()
};

}  // namespace lockstep
