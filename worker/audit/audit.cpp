#include "worker/audit/audit.hpp"

#include <algorithm>
#include <cstring>

#include "collectives/all_gather.hpp"
#include "common/random.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/step/forward_backward.hpp"

namespace lockstep {
namespace {

Hash128 hash_of(const at::Tensor& value) {
  const auto dense = on_host(value.is_non_overlapping_and_dense() ? value : value.contiguous());
  return hash_bytes(dense.data_ptr(), dense.nbytes());
}

bool is_finite(const at::Tensor& value) { return at::isfinite(value).all().item<bool>(); }

/// The ranks of each copy of the weights: one copy in each group that shares memory, or one on each GPU.
std::vector<RankGroup> copies_of(const HostMemory& memory, const TrainingState& state) {
  if (!state.on_gpu) return {memory.groups().begin(), memory.groups().end()};
  std::vector<RankGroup> copies;
  for (int rank = 0; rank < memory.transport().world_size(); ++rank) copies.push_back({rank, 1});
  return copies;
}

/// The shards that `rank` hashes: the ranks of a copy divide its shards, as many as `ranks`, among
/// themselves.
std::vector<int> shards_hashed_by(int rank, std::span<const RankGroup> copies, int ranks) {
  const auto& copy = *std::ranges::find_if(copies, [&](const auto& group) { return group.has(rank); });
  std::vector<int> shards;
  for (int shard = rank - copy.first; shard < ranks; shard += copy.size) shards.push_back(shard);
  return shards;
}

}  // namespace

Audit::Audit(Transport& transport, const Workload& workload, GradientHooks& hooks, PhaseClock& clock)
    : transport_(transport), workload_(workload), hooks_(hooks), clock_(clock) {}

std::optional<Audit::Chosen> Audit::chosen_in(std::int64_t step) const {
  const auto every = workload_.config.reliability.audit_every;
  if (every == 0 || (step + 1) % every != 0) return std::nullopt;
  RandomStream random(static_cast<std::uint64_t>(workload_.config.run.seed), Purpose::audit,
                      static_cast<std::uint64_t>(step), 0);
  const int ranks = transport_.world_size();
  Chosen chosen{random.below(workload_.micro_batches), 0, 0};
  while (rank_range(workload_.micro_batches, chosen.owner, ranks).end <= chosen.micro_batch) ++chosen.owner;
  chosen.auditor = chosen.owner;
  if (ranks > 1) chosen.auditor = (chosen.owner + 1 + static_cast<int>(random.below(ranks - 1))) % ranks;
  return chosen;
}

Audit::Leaf Audit::recomputed(std::int64_t step, std::int64_t micro_batch, double loss_scale,
                              bool look_for_nan) {
  clock_.enter(Phase::data);
  const auto batch = say_error_of_this_rank(
      transport_, [&] { return workload_.train.on_device(workload_.augmented(step, micro_batch)); });
  workload_.model->draws = draw_key(workload_.config.run.seed, step, micro_batch);
  Leaf leaf;
  std::vector<Hash128> hashes(workload_.layout.entries().size());
  const GradientSink hash_and_drop = [&](std::size_t entry, const at::Tensor& value) {
    hashes[entry] = hash_of(value);
    if (look_for_nan) leaf.finite = leaf.finite && is_finite(value);
  };
  forward_backward(workload_, hooks_, batch, loss_scale, hash_and_drop, &clock_);
  clock_.enter(Phase::exchange);
  leaf.hash = hash_of_hashes(hashes);
  return leaf;
}

void Audit::compute(std::int64_t step, std::int64_t micro_batch, const MicroBatch& batch, double loss_scale,
                    const GradientSink& sink) {
  const auto chosen = chosen_in(step);
  if (!chosen || chosen->micro_batch != micro_batch)
    return forward_backward(workload_, hooks_, batch, loss_scale, sink, &clock_);
  std::vector<Hash128> hashes(workload_.layout.entries().size());
  const GradientSink hash_and_pass_on = [&](std::size_t entry, const at::Tensor& value) {
    hashes[entry] = hash_of(value);
    sink(entry, value);
  };
  forward_backward(workload_, hooks_, batch, loss_scale, hash_and_pass_on, &clock_);
  computed_ = hash_of_hashes(hashes);
}

std::optional<Corruption> Audit::check(std::int64_t step, double loss_scale) {
  const auto chosen = chosen_in(step);
  if (!chosen) return std::nullopt;
  const auto micro_batch = chosen->micro_batch;
  std::vector<Hash128> own;
  if (transport_.rank() == chosen->owner) own.push_back(computed_);
  if (transport_.rank() == chosen->auditor)
    own.push_back(recomputed(step, micro_batch, loss_scale, /*look_for_nan=*/false).hash);
  auto results = gather_results(transport_, own);
  if (all_equal(results)) return std::nullopt;
  const auto again = recomputed(step, micro_batch, loss_scale, /*look_for_nan=*/true);
  bool diverges = true;
  for (const auto finite : gather_results(transport_, {Hash128{{again.finite}}}))
    diverges = diverges && finite.hash == Hash128{};
  if (diverges) return std::nullopt;
  for (const auto& result : gather_results(transport_, {again.hash})) results.push_back(result);
  return corruption_of(transport_,
                       "step " + std::to_string(step + 1) + ", micro-batch " + std::to_string(micro_batch),
                       "what it computes", step + 1, vote(results));
}

std::optional<Corruption> compare_copies(HostMemory& memory, const TrainingState& state) {
  auto& transport = memory.transport();
  const int ranks = transport.world_size();
  const auto copies = copies_of(memory, state);
  if (copies.size() == 1) return std::nullopt;
  std::vector<Hash128> own;
  for (const int shard : shards_hashed_by(transport.rank(), copies, ranks)) {
    const auto range = state.layout.shard(shard, ranks);
    own.push_back(hash_of(state.parameters.slice(0, range.begin, range.end)));
  }
  std::vector<Result> results;
  const auto of_shards = gather_results(transport, own);
  auto hashed = of_shards.begin();
  for (const auto& copy : copies) {
    std::vector<Hash128> shards(ranks);
    for (int rank = copy.first; rank < copy.first + copy.size; ++rank) {
      for (const int shard : shards_hashed_by(rank, copies, ranks)) shards[shard] = (hashed++)->hash;
    }
    results.push_back({copy.first, hash_of_hashes(shards)});
  }
  if (all_equal(results)) return std::nullopt;
  return corruption_of(transport, "after step " + std::to_string(state.step),
                       "the copy of the weights it holds", state.step, vote(results));
}

}  // namespace lockstep
