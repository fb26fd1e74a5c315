// The sum of all ranks' gradients along the fixed tree, between GPUs, beside the backward pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/gradient_format.hpp"
#include "collectives/nccl_transport.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// A reduce-scatter whose first part goes on while the GPU still computes. The same bits come out for any
/// world size.
///
/// The flat buffer is cut into buckets, from its end, where backward begins. All ranks take part in the sum
/// of every bucket, each adding an even part of it: were only its owners to, they alone would receive, while
/// the others' links stand idle. When all buckets are added, what does not lie with its owner goes there.
/// NCCL carries out groups of messages in the order in which they are given, which is the same on all ranks.
class NcclReduction {
 public:
  /// The same arguments on all ranks but `sum`. `leaves`: micro-batches of a step. `shards`: for every rank
  /// the elements of the flat buffer that it receives, the same on all ranks; may be empty. `elements`: of
  /// the flat buffer. `sum`: device memory, float32 [this rank's shard]. `rounding`: which elements are
  /// rounded to 16 bits at every node of the tree, and travel as such; the partial sums must be so rounded
  /// already. `shortest`: elements of a bucket at least. One at a time over a transport. Not collective.
  /// Throws Error (out of memory).
  NcclReduction(NcclTransport& transport, std::int64_t leaves, std::vector<Range> shards,
                std::int64_t elements, float* sum, Rounding rounding = {},
                std::int64_t shortest = std::int64_t{1} << 18);

  /// Collective, before the first send(): NCCL connects two ranks at their first message, which takes memory
  /// and might wait for messages that are under way. Throws CollectiveError.
  void connect();
  /// The legacy default stream has been given all that computes elements [from, elements) of this rank's
  /// partial sums; `from` only falls until send(). Not collective; any thread may call it.
  void publish(std::int64_t from);
  /// Collective: publishes the rest, and gives the GPU the whole sum. `partial_sums`: device memory, float32
  /// [elements] for each node of cover(leaves, this rank's range), in that order; they must not change before
  /// finish(). Throws CollectiveError, and Error (bug) when the number of partial sums is not the tree's.
  void send(std::span<float* const> partial_sums);
  /// Collective: returns when `sum` is complete. Throws CollectiveError.
  void finish();

 private:
  struct Bucket {
    Range range;
    GradientFormat format;
    std::int64_t outbox;  ///< where this rank's part of it begins there
  };

  void cut(Range range, GradientFormat format, std::int64_t shortest);
  void sum_part(const Bucket& bucket, std::span<float* const> partial_sums);
  void hand_out();
  Range part_of(const Bucket& bucket, int rank) const;

  NcclTransport& transport_;
  const int rank_, world_size_;
  std::vector<Range> shards_;
  float* sum_;
  std::vector<int> partial_sum_ranks_;  ///< who holds each left-over node, from left to right over the tree
  std::int64_t own_partial_sums_ = 0;
  std::vector<Merge> merges_;
  std::vector<Bucket> buckets_;
  std::size_t computed_ = 0;  ///< buckets of this step
  std::byte *received_ = nullptr, *encoded_ = nullptr;
  float* outbox_ = nullptr;  ///< this rank's parts of the sum, but for its own shard
};

}  // namespace lockstep
