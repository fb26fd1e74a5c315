#include "collectives/nccl_reduction.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace lockstep {
namespace {

/// Of each format: what is left to exchange when backward ends is about one of them, and each takes the
/// latency of a group of messages. Not measured, for want of GPUs.
constexpr std::int64_t most_buckets = 8;
/// Elements at whose multiples buckets, parts and what is stored of them begin: NCCL moves 16 bytes at a
/// time only where both ends are so aligned.
constexpr std::int64_t unit = 64;

std::int64_t in_units(std::int64_t elements) { return (elements + unit - 1) / unit * unit; }

std::int64_t bytes_of(GradientFormat format) { return format == GradientFormat::float32 ? 4 : 2; }

}  // namespace

NcclReduction::NcclReduction(NcclTransport& transport, std::int64_t leaves, std::vector<Range> shards,
                             std::int64_t elements, float* sum, Rounding rounding, std::int64_t shortest)
    : transport_(transport),
      rank_(transport.rank()),
      world_size_(transport.world_size()),
      shards_(std::move(shards)),
      sum_(sum),
      partial_sum_ranks_(ranks_of_partial_sums(leaves, world_size_)),
      merges_(merge_schedule(leaves, world_size_)) {
  own_partial_sums_ = std::ranges::count(partial_sum_ranks_, rank_);
  cut({rounding.end, elements}, GradientFormat::float32, shortest);
  cut({0, rounding.end}, rounding.format, shortest);

  std::int64_t parts = 0, largest_part = 0, received_bytes = 0, encoded_bytes = 0;
  for (auto& bucket : buckets_) {
    const auto part = in_units(part_of(bucket, rank_).size());
    bucket.outbox = std::exchange(parts, parts + part);
    largest_part = std::max(largest_part, part);
    const auto bytes = bytes_of(bucket.format);
    received_bytes =
        std::max(received_bytes, bytes * part * (std::ssize(partial_sum_ranks_) - own_partial_sums_));
    if (bucket.format != GradientFormat::float32)
      encoded_bytes = std::max(encoded_bytes, bytes * in_units(bucket.range.size()) * own_partial_sums_);
  }
  transport_.reserve_sums(std::ssize(partial_sum_ranks_), largest_part);
  const auto outbox_bytes = std::int64_t{sizeof(float)} * parts;
  const auto all_bytes = static_cast<std::size_t>(outbox_bytes + received_bytes + encoded_bytes);
  outbox_ = static_cast<float*>(transport_.async_memory(all_bytes));
  received_ = reinterpret_cast<std::byte*>(outbox_) + outbox_bytes;
  encoded_ = received_ + received_bytes;
}

void NcclReduction::connect() {
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  auto* const bytes = static_cast<std::byte*>(transport_.scratch(2 * static_cast<std::size_t>(world_size_)));
  for (int peer = 0; peer < world_size_; ++peer) {
    if (peer == rank_) continue;
    outgoing.push_back({peer, bytes + peer, 1});
    incoming.push_back({peer, bytes + world_size_ + peer, 1});
  }
  transport_.exchange(outgoing, incoming);
}

void NcclReduction::cut(Range range, GradientFormat format, std::int64_t shortest) {
  const auto length = std::max((range.size() + most_buckets - 1) / most_buckets, shortest);
  for (auto end = range.end; end > range.begin;) {
    const auto begin = std::max(range.begin, (end - length) / unit * unit);
    buckets_.push_back({{begin, end}, format, 0});
    end = begin;
  }
}

Range NcclReduction::part_of(const Bucket& bucket, int rank) const {
  const auto& [begin, end] = bucket.range;
  const auto units = rank_range(in_units(end - begin) / unit, rank, world_size_);
  return {std::min(begin + unit * units.begin, end), std::min(begin + unit * units.end, end)};
}

void NcclReduction::publish(std::int64_t from) {
  while (computed_ < buckets_.size() && buckets_[computed_].range.begin >= from)
    transport_.mark_computed(computed_++);
}

void NcclReduction::send(std::span<float* const> partial_sums) {
  if (std::ssize(partial_sums) != own_partial_sums_) {
    throw Error(ExitCode::bug, "the sum was given " + std::to_string(partial_sums.size()) + " partial sums",
                "rank " + std::to_string(rank_) + " of " + std::to_string(world_size_) + " has " +
                    std::to_string(own_partial_sums_) + " left-over nodes");
  }
  publish(0);
  computed_ = 0;
  for (std::size_t s = 0; s < buckets_.size(); ++s) {
    transport_.follow(s);
    sum_part(buckets_[s], partial_sums);
  }
  hand_out();
}

void NcclReduction::finish() { transport_.finish_async(); }

/// Everybody's partial sums of this rank's part come here, and are added: what is of its own shard to its
/// place.
void NcclReduction::sum_part(const Bucket& bucket, std::span<float* const> own_partial_sums) {
  const auto bytes = bytes_of(bucket.format);
  const auto& [begin, end] = bucket.range;
  std::vector<const std::byte*> own;  // from the begin of the bucket
  for (const float* partial_sum : own_partial_sums) {
    own.push_back(reinterpret_cast<const std::byte*>(partial_sum + begin));
    if (bucket.format == GradientFormat::float32) continue;
    auto* const codes = encoded_ + bytes * in_units(end - begin) * (std::ssize(own) - 1);
    transport_.encode_async(partial_sum + begin, reinterpret_cast<std::uint16_t*>(codes), bucket.format,
                            end - begin);
    own.back() = codes;
  }
  std::vector<Outgoing> outgoing;
  for (int distance = 1; distance < world_size_; ++distance) {  // so that not all send to rank 0 first
    const int peer = (rank_ + distance) % world_size_;
    const auto part = part_of(bucket, peer);
    if (part.size() == 0) continue;
    for (const auto* partial_sum : own)
      outgoing.push_back(
          {peer, partial_sum + bytes * (part.begin - begin), static_cast<std::size_t>(bytes * part.size())});
  }
  const auto part = part_of(bucket, rank_);
  std::vector<Incoming> incoming;
  std::vector<const std::byte*> partial_sums;  // from the begin of the part
  auto next_own = own.begin();
  auto* next = received_;
  for (const int owner : partial_sum_ranks_) {
    if (owner == rank_) {
      partial_sums.push_back(*next_own++ + bytes * (part.begin - begin));
      continue;
    }
    partial_sums.push_back(next);
    if (part.size() > 0) incoming.push_back({owner, next, static_cast<std::size_t>(bytes * part.size())});
    next += bytes * in_units(part.size());
  }
  transport_.exchange_async(outgoing, incoming);
  for (int owner = 0; owner < world_size_; ++owner) {
    const auto& shard = shards_[owner];
    const auto elements = common_part(part, shard);
    if (elements.size() == 0) continue;
    float* const sum = owner == rank_ ? sum_ + (elements.begin - shard.begin)
                                      : outbox_ + bucket.outbox + (elements.begin - part.begin);
    std::vector<const void*> parts;
    for (const auto* partial_sum : partial_sums)
      parts.push_back(partial_sum + bytes * (elements.begin - part.begin));
    transport_.add_tree_async(parts, merges_, sum, elements.size(), bucket.format);
  }
}

/// Each part of the sum goes to the owner of its elements.
void NcclReduction::hand_out() {
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (const auto& bucket : buckets_) {
    const auto own_part = part_of(bucket, rank_);
    for (int peer = 0; peer < world_size_; ++peer) {
      if (peer == rank_) continue;
      const auto out = common_part(own_part, shards_[peer]);
      const auto in = common_part(part_of(bucket, peer), shards_[rank_]);
      if (out.size() > 0)
        outgoing.push_back({peer, outbox_ + bucket.outbox + (out.begin - own_part.begin),
                            sizeof(float) * static_cast<std::size_t>(out.size())});
      if (in.size() > 0)
        incoming.push_back({peer, sum_ + (in.begin - shards_[rank_].begin),
                            sizeof(float) * static_cast<std::size_t>(in.size())});
    }
  }
  transport_.exchange_async(outgoing, incoming);
}

}  // namespace lockstep
