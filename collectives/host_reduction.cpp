#include "collectives/host_reduction.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "collectives/add_tree.hpp"

namespace lockstep {
namespace {

constexpr int first_tag = 2;
/// A shard that is larger leaves the caches anyway.
constexpr std::int64_t cached_bytes = std::int64_t{64} << 20;

/// The leaves of a group of ranks.
Range leaves_of(const RankGroup& group, std::int64_t leaves, int world_size) {
  return {rank_range(leaves, group.first, world_size).begin,
          rank_range(leaves, group.first + group.size - 1, world_size).end};
}

}  // namespace

/// How far a rank of the group is, on a cache line of its own: step * (elements + 1) + elements that are
/// final. It only grows, so nobody can take one step's for another's.
struct alignas(128) HostReduction::Published {
  std::atomic<std::int64_t> progress;
};

HostReduction::HostReduction(HostMemory& host, std::int64_t leaves, std::vector<Range> shards,
                             std::int64_t elements, std::int64_t bucket, Rounding rounding)
    : host_(host),
      rank_(host.transport().rank()),
      shards_(std::move(shards)),
      elements_(elements),
      bucket_(bucket),
      rounding_(rounding),
      published_(host.allocate(sizeof(Published) * static_cast<std::size_t>(host.local_size()))) {
  find_memory(leaves);
  plan_sums(leaves);
  done_.resize(static_cast<std::size_t>(bucket_count(rank_)));
  arrived_.resize(done_.size());
}

HostReduction::~HostReduction() {
  abandoned_ = true;
  if (thread_.joinable()) thread_.join();
}

void HostReduction::find_memory(std::int64_t leaves) {
  const int world_size = host_.transport().world_size();
  const auto& group = host_.group();
  std::vector<LeafWalk> walks;
  std::int64_t buffers = 0;
  for (int rank = group.first; rank < group.first + group.size; ++rank) {
    walks.push_back(walk_over(leaves, rank_range(leaves, rank, world_size)));
    buffers += walks.back().slots();
  }
  memory_ = host_.allocate(sizeof(float) * static_cast<std::size_t>(buffers * elements_));
  auto* next = reinterpret_cast<float*>(memory_.data());
  for (int local = 0; local < group.size; ++local) {
    for (const auto& held : walks[local].held()) group_partial_sums_.push_back(next + held.slot * elements_);
    for (int slot = 0; slot < walks[local].slots(); ++slot, next += elements_) {
      if (local == host_.local_rank()) buffers_.push_back(next);
    }
  }
}

void HostReduction::plan_sums(std::int64_t leaves) {
  const int world_size = host_.transport().world_size();
  const auto& group = host_.group();
  const auto shard = shards_[rank_];
  TreeWalk all(leaves), within(leaves);  // over this shard's partial sums; over the group's
  const auto push = [&](const TreeNode& node, const float* partial_sum) {
    for (const auto& merge : all.push(node, static_cast<std::int32_t>(partial_sums_.size())))
      merges_.push_back(merge);
    partial_sums_.push_back(partial_sum);
  };
  for (const auto& other : host_.groups()) {
    if (other.first != group.first) {
      const auto nodes = cover(leaves, leaves_of(other, leaves, world_size));
      if (!nodes.empty())
        sources_.push_back({stand_in(other, rank_ - group.first), partial_sums_.size(), nodes.size()});
      remote_partial_sums_ += std::ssize(nodes);
      for (const auto& node : nodes) push(node, nullptr);
      for (int rank = other.first; rank < other.first + other.size; ++rank) {
        if (stand_in(group, rank - other.first) == rank_) transfers_.push_back({rank});
      }
      continue;
    }
    std::size_t partial_sum = 0;
    for (int rank = group.first; rank < group.first + group.size; ++rank) {
      for (const auto& node : cover(leaves, rank_range(leaves, rank, world_size))) {
        push(node, group_partial_sums_[partial_sum] + shard.begin);
        // A merge takes the left neighbour's place; what is not merged begins a node of its own.
        outputs_.push_back({partial_sum, partial_sum + 1, {}});
        for (const auto& merge : within.push(node, static_cast<std::int32_t>(partial_sum))) {
          auto right = std::move(outputs_.back());
          outputs_.pop_back();
          auto& left = outputs_.back();
          left.end = right.end;
          left.merges.insert(left.merges.end(), right.merges.begin(), right.merges.end());
          left.merges.push_back(merge);
        }
        ++partial_sum;
      }
    }
  }
  for (auto& output : outputs_) {
    for (auto& merge : output.merges) {
      merge.left -= static_cast<std::int32_t>(output.begin);
      merge.right -= static_cast<std::int32_t>(output.begin);
    }
  }
  // Own transfers begin with the next group, so that not all send to the first one first.
  std::ranges::rotate(transfers_,
                      std::ranges::find_if(transfers_, [&](const auto& t) { return t.owner > rank_; }));
  received_.resize(static_cast<std::size_t>(remote_partial_sums_ * shard.size()));
  if (rounding_.end > 0) {
    received_messages_.resize(received_.size() * sizeof(float));
    for (auto& transfer : transfers_)
      transfer.messages.resize(outputs_.size() * sizeof(float) *
                               static_cast<std::size_t>(shards_[transfer.owner].size()));
  }
  const auto* next = received_.data();
  for (auto& partial_sum : partial_sums_) {
    if (partial_sum) continue;
    partial_sum = next;
    next += shard.size();
  }
}

Range HostReduction::rounded_part(Range bucket) const {
  return {bucket.begin, std::clamp(rounding_.end, bucket.begin, bucket.end)};
}

std::int64_t HostReduction::message_bytes(Range bucket) const {
  return 4 * bucket.size() - 2 * rounded_part(bucket).size();
}

void HostReduction::encode(const float* values, Range bucket, std::byte* message) const {
  const auto rounded = rounded_part(bucket).size();
  auto* codes = reinterpret_cast<std::uint16_t*>(message);
  for (std::int64_t i = 0; i < rounded; ++i) codes[i] = encoded(values[i], rounding_.format);
  std::memcpy(codes + rounded, values + rounded,
              sizeof(float) * static_cast<std::size_t>(bucket.size() - rounded));
}

void HostReduction::decode(const std::byte* message, Range bucket, float* values) const {
  const auto rounded = rounded_part(bucket).size();
  const auto* codes = reinterpret_cast<const std::uint16_t*>(message);
  for (std::int64_t i = 0; i < rounded; ++i) values[i] = decoded(codes[i], rounding_.format);
  std::memcpy(values + rounded, codes + rounded,
              sizeof(float) * static_cast<std::size_t>(bucket.size() - rounded));
}

/// `parts` and `sum` begin at the bucket.
void HostReduction::add(std::vector<const float*> parts, std::span<const Merge> merges, float* sum,
                        Range bucket, Stores stores) const {
  const auto rounded = rounded_part(bucket).size();
  add_tree(parts, merges, sum, rounded, rounding_.format);
  for (auto& part : parts) part += rounded;
  add_tree(parts, merges, sum + rounded, bucket.size() - rounded, GradientFormat::float32, stores);
}

Range HostReduction::bucket_of(int owner, std::int64_t index) const {
  const auto& shard = shards_[owner];
  const auto end = shard.end - index * bucket_;
  return {std::max(shard.begin, end - bucket_), end};
}

std::int64_t HostReduction::bucket_count(int owner) const {
  return (shards_[owner].size() + bucket_ - 1) / bucket_;
}

HostReduction::Published& HostReduction::published(int local_rank) const {
  return reinterpret_cast<Published*>(published_.data())[local_rank];
}

void HostReduction::publish(std::int64_t from) {
  published(host_.local_rank())
      .progress.store(step_ * (elements_ + 1) + elements_ - from, std::memory_order_release);
}

std::int64_t HostReduction::final_from(int local_rank) const {
  const auto progress = published(local_rank).progress.load(std::memory_order_acquire);
  return elements_ - std::max<std::int64_t>(progress - step_ * (elements_ + 1), 0);
}

std::int64_t HostReduction::final_from_in_group() const {
  std::int64_t from = 0;
  for (int local = 0; local < host_.local_size(); ++local) from = std::max(from, final_from(local));
  return from;
}

void HostReduction::start(float* sum) {
  sum_ = sum;
  ++step_;
  added_ = 0;
  std::ranges::fill(arrived_, 0);
  done_.assign(done_.size(), false);
  for (auto& transfer : transfers_) transfer.next = 0;
  publish(elements_);
  if (host_.groups().size() == 1) return;
  hurry_ = false;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), exchange_thread_name);
    try {
      reduce();
    } catch (...) {
      failure_ = std::current_exception();
    }
  });
}

void HostReduction::finish() {
  publish(0);
  if (thread_.joinable()) {
    hurry_ = true;
    const auto begin = Clock::now();
    thread_.join();
    host_.transport().note_waited(Clock::now() - begin);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  } else {
    reduce();
  }
  host_.barrier();
}

std::byte* HostReduction::message_of(const void* values) {
  return received_messages_.data() +
         (static_cast<const std::byte*>(values) - reinterpret_cast<const std::byte*>(received_.data()));
}

void HostReduction::post_receives(PendingMessages& messages) {
  for (std::int64_t index = 0; index < bucket_count(rank_); ++index) {
    const auto bucket = bucket_of(rank_, index);
    for (const auto& source : sources_) {
      for (std::size_t i = 0; i < source.count; ++i) {
        void* to =
            const_cast<float*>(partial_sums_[source.first + i]) + (bucket.begin - shards_[rank_].begin);
        if (rounding_.end > 0) to = message_of(to);
        messages.receive(source.rank, to, message_bytes(bucket),
                         first_tag + static_cast<int>(index * source.count + i), index);
      }
    }
  }
}

bool HostReduction::send_ready(PendingMessages& messages, std::int64_t ready) {
  bool sent = false;
  for (auto& transfer : transfers_) {
    if (transfer.next == bucket_count(transfer.owner)) continue;
    const auto bucket = bucket_of(transfer.owner, transfer.next);
    if (bucket.begin < ready) continue;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const auto& output = outputs_[i];
      std::vector<const float*> parts;
      for (auto partial_sum = output.begin; partial_sum < output.end; ++partial_sum) {
        parts.push_back(group_partial_sums_[partial_sum] + bucket.begin);
      }
      float* const sum =
          group_partial_sums_[output.begin] + bucket.begin;  // nobody else reads this part of it
      add(parts, output.merges, sum, bucket);
      const void* message = sum;
      if (rounding_.end > 0) {
        const auto& shard = shards_[transfer.owner];
        auto* encoded = transfer.messages.data() +
                        sizeof(float) * static_cast<std::size_t>(static_cast<std::int64_t>(i) * shard.size() +
                                                                 bucket.begin - shard.begin);
        encode(sum, bucket, encoded);
        message = encoded;
      }
      messages.send(transfer.owner, message, message_bytes(bucket),
                    first_tag + static_cast<int>(transfer.next * outputs_.size() + i));
    }
    ++transfer.next;
    sent = true;
  }
  return sent;
}

bool HostReduction::add_ready(std::int64_t ready) {
  bool added = false;
  for (std::size_t index = 0; index < done_.size(); ++index) {
    const auto bucket = bucket_of(rank_, static_cast<std::int64_t>(index));
    if (bucket.begin < ready) break;
    if (done_[index] || arrived_[index] < remote_partial_sums_) continue;
    const auto offset = bucket.begin - shards_[rank_].begin;
    std::vector<const float*> parts;
    for (const float* partial_sum : partial_sums_) parts.push_back(partial_sum + offset);
    for (const auto& source : sources_) {
      for (auto partial_sum = source.first; rounding_.end > 0 && partial_sum < source.first + source.count;
           ++partial_sum) {
        auto* const values = const_cast<float*>(parts[partial_sum]);
        decode(message_of(values), bucket, values);
      }
    }
    const bool large = 4 * shards_[rank_].size() > cached_bytes;
    add(parts, merges_, sum_ + offset, bucket, large ? Stores::past_caches : Stores::cached);
    done_[index] = added = true;
    ++added_;
  }
  return added;
}

void HostReduction::reduce() {
  PendingMessages messages(host_.transport());
  post_receives(messages);
  Patience patience(host_.transport());
  const auto arrived = [this](std::int64_t index) { ++arrived_[index]; };
  auto ready = elements_;
  std::optional<Clock::time_point> idle_since;
  const bool overlapped =
      host_.groups().size() > 1;  // in a thread of its own: it is not the main thread that waits
  for (;;) {
    const auto before = std::exchange(ready, final_from_in_group());
    bool progress = ready < before;
    progress |= send_ready(messages, ready);
    progress |= messages.poll(arrived);
    progress |= add_ready(ready);
    if (progress && idle_since) host_.transport().note_waited(Clock::now() - *std::exchange(idle_since, {}));
    if (abandoned_ || (added_ == std::ssize(done_) && messages.empty() && ready == 0)) return;
    if (!progress && !overlapped && !idle_since) idle_since = Clock::now();
    if (progress) {
      patience.restart();
    } else if (overlapped && !hurry_) {
      patience.sleep([&] { return awaited(messages); });
    } else {
      patience.pause([&] { return awaited(messages); });
    }
  }
}

std::vector<int> HostReduction::awaited(const PendingMessages& messages) const {
  std::vector<int> ranks;
  for (const int peer : messages.peers()) {  // it may itself wait for any rank of its host
    const auto& group = host_.group_of(peer);
    for (int rank = group.first; rank < group.first + group.size; ++rank) ranks.push_back(rank);
  }
  for (int local = 0; local < host_.local_size(); ++local) {
    if (final_from(local) > 0) ranks.push_back(host_.group().first + local);
  }
  return ranks;
}

}  // namespace lockstep
