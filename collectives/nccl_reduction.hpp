// The sum of all ranks' gradients along the fixed tree, between GPUs, while they compute.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collectives/gradient_format.hpp"
#include "collectives/nccl_transport.hpp"
#include "collectives/reduction.hpp"
#include "collectives/tree.hpp"

namespace lockstep {

/// A reduce-scatter that begins while the GPU still computes. The same bits come out for any world size.
///
/// The flat buffer is cut into buckets, from its end, where backward begins. Every rank adds an equal part of
/// every bucket. If only the owners of a bucket's elements added it, they alone would receive, and the links
/// of all other ranks would be idle. At the end, parts of the sum that do not lie with their owner are sent
/// there. NCCL carries out groups of messages in the order in which they are given, which is the same on all
/// ranks.
class NcclReduction final : public Reduction {
 public:
  /// `smallest_bucket`: elements. One at a time over a transport. Not collective. Throws Error (out of
  /// memory).
  NcclReduction(NcclTransport& transport, ReductionShape shape,
                std::int64_t smallest_bucket = std::int64_t{1} << 18);

  /// Collective, before the first send(): NCCL connects two ranks at their first message, which takes memory
  /// and might wait for messages that are under way. Throws CollectiveError.
  void connect();
  void start(float* sum) override;
  void publish(std::int64_t from) override;
  /// Gives the GPU the whole sum, and returns when it has been given.
  void send(std::span<float* const> partial_sums) override;
  void finish() override;

 private:
  struct Bucket {
    Range range;
    GradientFormat format;
    std::int64_t outbox;  ///< where this rank's part of it begins there
  };

  enum class State { idle, started, sent };

  void cut(Range range, GradientFormat format, std::int64_t smallest_bucket);
  void reserve_memory();
  void sum_part(const Bucket& bucket, std::span<float* const> own_partial_sums);
  std::vector<const std::byte*> encoded_if_narrow(const Bucket& bucket, std::span<float* const> partial_sums);
  std::vector<const std::byte*> exchange_parts(const Bucket& bucket, std::span<const std::byte* const> own);
  void add_part(const Bucket& bucket, std::span<const std::byte* const> partial_sums);
  void send_to_owners();
  Range part_of(const Bucket& bucket, int rank) const;

  NcclTransport& transport_;
  const int rank_, world_size_;
  const ReductionShape shape_;
  std::vector<int> partial_sum_ranks_;  ///< who holds each left-over node, from left to right over the tree
  std::int64_t own_partial_sums_ = 0;
  std::vector<Merge> merges_;
  std::vector<Bucket> buckets_;
  std::byte *received_ = nullptr, *encoded_ = nullptr;
  float* outbox_ = nullptr;  ///< this rank's parts of the sum, but for its own shard

  // The step under way.
  State state_ = State::idle;
  float* sum_ = nullptr;
  std::int64_t published_from_ = 0;
  std::size_t computed_ = 0;  ///< buckets of which all kernels have been launched
};

}  // namespace lockstep
