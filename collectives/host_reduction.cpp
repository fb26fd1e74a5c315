#include "collectives/host_reduction.hpp"

#include <pthread.h>

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

namespace lockstep {
namespace {

constexpr int first_tag = 2;
/// A shard that is larger leaves the caches anyway.
constexpr std::int64_t cached_bytes = std::int64_t{64} << 20;

}  // namespace

/// How far a rank of the group is, on a cache line of its own: step * (elements + 1) + elements that are
/// final. It only grows, so nobody can take one step's for another's.
struct alignas(128) HostReduction::Published {
  std::atomic<std::int64_t> progress;
};

HostReduction::HostReduction(HostMemory& host, ReductionShape shape, std::int64_t bucket)
    : host_(host),
      rank_(host.transport().rank()),
      shape_(std::move(shape)),
      bucket_(bucket),
      plan_(host, shape_.leaves),
      format_(shape_.rounding),
      published_(host.allocate(sizeof(Published) * static_cast<std::size_t>(host.local_size()))) {
  assert(bucket_ > 0);
  assert(std::ssize(shape_.shards) == host.transport().world_size() &&
         in_order(shape_.shards, shape_.elements));
  assert(shape_.rounding.end >= 0 && shape_.rounding.end <= shape_.elements);
  find_memory();
  find_terms();
  done_.resize(static_cast<std::size_t>(bucket_count(rank_)));
  arrived_.resize(done_.size());
}

HostReduction::~HostReduction() {
  abandoned_ = true;
  if (thread_.joinable()) thread_.join();
}

void HostReduction::find_memory() {
  const int world_size = host_.transport().world_size();
  const auto& group = host_.group();
  std::vector<LeafWalk> walks;
  std::int64_t buffers = 0;
  for (int rank = group.first; rank < group.first + group.size; ++rank) {
    walks.push_back(walk_over(shape_.leaves, rank_range(shape_.leaves, rank, world_size)));
    buffers += walks.back().slots();
  }
  memory_ = host_.allocate(sizeof(float) * static_cast<std::size_t>(buffers * shape_.elements));
  auto* next = reinterpret_cast<float*>(memory_.data());
  for (int local = 0; local < group.size; ++local) {
    for (const auto& held : walks[local].held())
      group_partial_sums_.push_back(next + held.slot * shape_.elements);
    for (int slot = 0; slot < walks[local].slots(); ++slot, next += shape_.elements) {
      if (local == host_.local_rank()) buffers_.push_back(next);
    }
  }
}

void HostReduction::find_terms() {
  const auto shard = shape_.shards[rank_];
  received_.resize(static_cast<std::size_t>(plan_.received_count * shard.size()));
  const float* next = received_.data();
  for (const int term : plan_.terms) {
    terms_.push_back(term == HostReductionPlan::received ? std::exchange(next, next + shard.size())
                                                         : group_partial_sums_[term] + shard.begin);
  }
  for (const int owner : plan_.receivers) transfers_.push_back({owner});
  if (!format_.encodes()) return;
  received_messages_.resize(received_.size() * sizeof(float));
  for (auto& transfer : transfers_) {
    transfer.messages.resize(plan_.outputs.size() * sizeof(float) *
                             static_cast<std::size_t>(shape_.shards[transfer.owner].size()));
  }
}

Range HostReduction::bucket_of(int owner, std::int64_t index) const {
  const auto& shard = shape_.shards[owner];
  const auto end = shard.end - index * bucket_;
  return {std::max(shard.begin, end - bucket_), end};
}

std::int64_t HostReduction::bucket_count(int owner) const {
  return (shape_.shards[owner].size() + bucket_ - 1) / bucket_;
}

HostReduction::Published& HostReduction::published(int local_rank) const {
  assert(local_rank >= 0 && local_rank < host_.local_size());
  return reinterpret_cast<Published*>(published_.data())[local_rank];
}

void HostReduction::publish(std::int64_t from) {
  assert(state_ == State::started && "publish() comes between start() and send()");
  assert(from >= 0 && from <= published_from_ && "what is final stays final");
  published_from_ = from;
  auto& progress = published(host_.local_rank()).progress;
  const auto now = step_ * (shape_.elements + 1) + shape_.elements - from;
  assert(now >= progress.load(std::memory_order_relaxed) && "only this rank writes it, and it only grows");
  progress.store(now, std::memory_order_release);
}

std::int64_t HostReduction::final_from(int local_rank) const {
  const auto progress = published(local_rank).progress.load(std::memory_order_acquire);
  const auto elements = progress - step_ * (shape_.elements + 1);  // negative: of an earlier step
  assert(elements <= shape_.elements && "nobody begins the next step before all have finished this one");
  return shape_.elements - std::max<std::int64_t>(elements, 0);
}

std::int64_t HostReduction::final_from_in_group() const {
  std::int64_t from = 0;
  for (int local = 0; local < host_.local_size(); ++local) from = std::max(from, final_from(local));
  return from;
}

void HostReduction::start(float* sum) {
  assert(state_ == State::idle && "finish() ends a step before the next start()");
  assert(sum != nullptr || shape_.shards[rank_].size() == 0);
  state_ = State::started;
  sum_ = sum;
  ++step_;
  added_ = 0;
  std::ranges::fill(arrived_, 0);
  done_.assign(done_.size(), false);
  for (auto& transfer : transfers_) transfer.next = 0;
  published_from_ = shape_.elements;
  publish(shape_.elements);
  if (!has_other_groups()) return;
  main_thread_waits_ = false;
  thread_ = std::thread([this] { run_exchange(); });
}

void HostReduction::run_exchange() {
  pthread_setname_np(pthread_self(), exchange_thread_name);
  try {
    reduce();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void HostReduction::send([[maybe_unused]] std::span<float* const> partial_sums) {
  assert(std::ranges::all_of(partial_sums, [&](const float* partial_sum) {
    return std::ranges::find(group_partial_sums_, partial_sum) != group_partial_sums_.end();
  }));
  publish(0);
  state_ = State::sent;
}

void HostReduction::finish() {
  assert(state_ == State::sent && "finish() follows send()");
  if (thread_.joinable()) {
    main_thread_waits_ = true;
    const auto begin = Clock::now();
    thread_.join();
    host_.transport().note_waited(Clock::now() - begin);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  } else {
    reduce();
  }
  host_.barrier();
  state_ = State::idle;
}

std::byte* HostReduction::message_of(const void* values) {
  return received_messages_.data() +
         (static_cast<const std::byte*>(values) - reinterpret_cast<const std::byte*>(received_.data()));
}

void HostReduction::post_receives(PendingMessages& messages) {
  for (std::int64_t index = 0; index < bucket_count(rank_); ++index) {
    const auto bucket = bucket_of(rank_, index);
    for (const auto& source : plan_.sources) {
      for (std::size_t i = 0; i < source.count; ++i) {
        void* to = const_cast<float*>(terms_[source.first + i]) + (bucket.begin - shape_.shards[rank_].begin);
        if (format_.encodes()) to = message_of(to);
        messages.receive(source.rank, to, format_.message_bytes(bucket),
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
    send_bucket(messages, transfer, bucket);
    ++transfer.next;
    sent = true;
  }
  return sent;
}

void HostReduction::send_bucket(PendingMessages& messages, Transfer& transfer, Range bucket) {
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    const auto& output = plan_.outputs[i];
    std::vector<const float*> partial_sums;
    for (auto number = output.begin; number < output.end; ++number)
      partial_sums.push_back(group_partial_sums_[number] + bucket.begin);
    // In the place of the first of them, of which no other rank reads this part.
    float* const sum = group_partial_sums_[output.begin] + bucket.begin;
    format_.add(std::move(partial_sums), output.merges, sum, bucket);
    const void* message = sum;
    if (format_.encodes()) {
      const auto& shard = shape_.shards[transfer.owner];
      const auto offset = static_cast<std::int64_t>(i) * shard.size() + bucket.begin - shard.begin;
      auto* const encoded = transfer.messages.data() + sizeof(float) * static_cast<std::size_t>(offset);
      format_.encode(sum, bucket, encoded);
      message = encoded;
    }
    messages.send(transfer.owner, message, format_.message_bytes(bucket),
                  first_tag + static_cast<int>(transfer.next * plan_.outputs.size() + i));
  }
}

bool HostReduction::add_ready(std::int64_t ready) {
  bool added = false;
  for (std::size_t index = 0; index < done_.size(); ++index) {
    const auto bucket = bucket_of(rank_, static_cast<std::int64_t>(index));
    if (bucket.begin < ready) break;
    assert(arrived_[index] <= plan_.received_count && "each message arrives once");
    if (done_[index] || arrived_[index] < plan_.received_count) continue;
    add_bucket(bucket);
    done_[index] = added = true;
    ++added_;
  }
  return added;
}

void HostReduction::add_bucket(Range bucket) {
  const auto& shard = shape_.shards[rank_];
  const auto offset = bucket.begin - shard.begin;
  std::vector<const float*> terms;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    terms.push_back(terms_[i] + offset);
    if (plan_.terms[i] != HostReductionPlan::received || !format_.encodes()) continue;
    auto* const values = const_cast<float*>(terms.back());
    format_.decode(message_of(values), bucket, values);
  }
  const bool large = 4 * shard.size() > cached_bytes;
  format_.add(std::move(terms), plan_.merges, sum_ + offset, bucket,
              large ? Stores::past_caches : Stores::cached);
}

void HostReduction::reduce() {
  PendingMessages messages(host_.transport());
  post_receives(messages);
  Patience patience(host_.transport());
  const auto arrived = [this](std::int64_t index) { ++arrived_[index]; };
  auto ready = shape_.elements;
  std::optional<Clock::time_point> idle_since;
  const bool overlapped = has_other_groups();  // in a thread of its own: it is not the main thread that waits
  for (;;) {
    const auto before = std::exchange(ready, final_from_in_group());
    assert(ready <= before && "what is final stays final");
    bool progress = ready < before;
    progress |= send_ready(messages, ready);
    progress |= messages.poll(arrived);
    progress |= add_ready(ready);
    if (progress && idle_since) host_.transport().note_waited(Clock::now() - *std::exchange(idle_since, {}));
    if (abandoned_ || (added_ == std::ssize(done_) && messages.empty() && ready == 0)) return;
    if (!progress && !overlapped && !idle_since) idle_since = Clock::now();
    if (progress) {
      patience.restart();
    } else if (overlapped && !main_thread_waits_) {
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
