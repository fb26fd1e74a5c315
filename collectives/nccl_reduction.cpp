#include "collectives/nccl_reduction.hpp"

#include <algorithm>
#include <cassert>
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

NcclReduction::NcclReduction(NcclTransport& transport, ReductionShape shape, std::int64_t smallest_bucket)
    : transport_(transport),
      rank_(transport.rank()),
      world_size_(transport.world_size()),
      shape_(std::move(shape)),
      partial_sum_ranks_(ranks_of_partial_sums(shape_.leaves, world_size_)),
      own_partial_sums_(std::ranges::count(partial_sum_ranks_, rank_)),
      merges_(merge_schedule(shape_.leaves, world_size_)) {
  const auto& rounding = shape_.rounding;
  assert(std::ssize(shape_.shards) == world_size_ && in_order(shape_.shards, shape_.elements));
  assert(rounding.end >= 0 && rounding.end <= shape_.elements);
  cut({rounding.end, shape_.elements}, GradientFormat::float32, smallest_bucket);
  cut({0, rounding.end}, rounding.format, smallest_bucket);
  reserve_memory();
}

void NcclReduction::cut(Range range, GradientFormat format, std::int64_t smallest_bucket) {
  const auto length = std::max((range.size() + most_buckets - 1) / most_buckets, smallest_bucket);
  for (auto end = range.end; end > range.begin;) {
    const auto begin = std::max(range.begin, (end - length) / unit * unit);
    buckets_.push_back({{begin, end}, format, 0});
    end = begin;
  }
}

void NcclReduction::reserve_memory() {
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

Range NcclReduction::part_of(const Bucket& bucket, int rank) const {
  const auto& [begin, end] = bucket.range;
  const auto units = rank_range(in_units(end - begin) / unit, rank, world_size_);
  return {std::min(begin + unit * units.begin, end), std::min(begin + unit * units.end, end)};
}

void NcclReduction::start(float* sum) {
  assert(state_ == State::idle && "finish() ends a step before the next start()");
  assert(sum != nullptr || shape_.shards[rank_].size() == 0);
  state_ = State::started;
  sum_ = sum;
  published_from_ = shape_.elements;
  computed_ = 0;
}

void NcclReduction::publish(std::int64_t from) {
  assert(state_ == State::started && "publish() comes between start() and send()");
  assert(from >= 0 && from <= published_from_ && "what is computed stays computed");
  published_from_ = from;
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
  state_ = State::sent;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    transport_.follow(b);
    sum_part(buckets_[b], partial_sums);
  }
  send_to_owners();
}

void NcclReduction::finish() {
  assert(state_ == State::sent && "finish() follows send()");
  transport_.finish_async();
  state_ = State::idle;
}

/// This rank's part of the bucket is summed over all ranks: what belongs to its own shard goes to its place.
void NcclReduction::sum_part(const Bucket& bucket, std::span<float* const> own_partial_sums) {
  const auto own = encoded_if_narrow(bucket, own_partial_sums);
  add_part(bucket, exchange_parts(bucket, own));
}

/// This rank's partial sums of the bucket, from its begin, in the format in which they are sent.
std::vector<const std::byte*> NcclReduction::encoded_if_narrow(const Bucket& bucket,
                                                               std::span<float* const> partial_sums) {
  const auto& [begin, end] = bucket.range;
  std::vector<const std::byte*> own;
  for (const float* partial_sum : partial_sums) {
    own.push_back(reinterpret_cast<const std::byte*>(partial_sum + begin));
    if (bucket.format == GradientFormat::float32) continue;
    auto* const codes = encoded_ + bytes_of(bucket.format) * in_units(end - begin) * (std::ssize(own) - 1);
    transport_.encode_async(partial_sum + begin, reinterpret_cast<std::uint16_t*>(codes), bucket.format,
                            end - begin);
    own.back() = codes;
  }
  return own;
}

/// Sends every other rank its part of this rank's partial sums. Returns where all ranks' partial sums of this
/// rank's part are, in tree order and from the begin of the part.
std::vector<const std::byte*> NcclReduction::exchange_parts(const Bucket& bucket,
                                                            std::span<const std::byte* const> own) {
  const auto bytes = bytes_of(bucket.format);
  const auto begin = bucket.range.begin;
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
  std::vector<const std::byte*> partial_sums;
  auto next_own = own.begin();
  auto* next = received_;
  for (const int holder : partial_sum_ranks_) {
    if (holder == rank_) {
      partial_sums.push_back(*next_own++ + bytes * (part.begin - begin));
      continue;
    }
    partial_sums.push_back(next);
    if (part.size() > 0) incoming.push_back({holder, next, static_cast<std::size_t>(bytes * part.size())});
    next += bytes * in_units(part.size());
  }
  transport_.exchange_async(outgoing, incoming);
  return partial_sums;
}

void NcclReduction::add_part(const Bucket& bucket, std::span<const std::byte* const> partial_sums) {
  const auto part = part_of(bucket, rank_);
  for (int owner = 0; owner < world_size_; ++owner) {
    const auto& shard = shape_.shards[owner];
    const auto elements = common_part(part, shard);
    if (elements.size() == 0) continue;
    float* const sum = owner == rank_ ? sum_ + (elements.begin - shard.begin)
                                      : outbox_ + bucket.outbox + (elements.begin - part.begin);
    std::vector<const void*> parts;
    for (const auto* partial_sum : partial_sums)
      parts.push_back(partial_sum + bytes_of(bucket.format) * (elements.begin - part.begin));
    transport_.add_tree_async(parts, merges_, sum, elements.size(), bucket.format);
  }
}

/// Each part of the sum goes to the owner of its elements.
void NcclReduction::send_to_owners() {
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (const auto& bucket : buckets_) {
    const auto own_part = part_of(bucket, rank_);
    for (int peer = 0; peer < world_size_; ++peer) {
      if (peer == rank_) continue;
      const auto out = common_part(own_part, shape_.shards[peer]);
      const auto in = common_part(part_of(bucket, peer), shape_.shards[rank_]);
      if (out.size() > 0)
        outgoing.push_back({peer, outbox_ + bucket.outbox + (out.begin - own_part.begin),
                            sizeof(float) * static_cast<std::size_t>(out.size())});
      if (in.size() > 0)
        incoming.push_back({peer, sum_ + (in.begin - shape_.shards[rank_].begin),
                            sizeof(float) * static_cast<std::size_t>(in.size())});
    }
  }
  transport_.exchange_async(outgoing, incoming);
}

}  // namespace lockstep
