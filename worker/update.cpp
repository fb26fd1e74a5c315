#include "worker/update.hpp"

#include <cmath>

#include "worker/averaging/ema.hpp"
#include "worker/block_sums.hpp"

namespace lockstep {
namespace {

void update_statistics(float* running, const float* sum, std::int64_t count, std::int64_t micro_batches) {
  constexpr float momentum = 0.1F;
  const float share = 1.0F / static_cast<float>(micro_batches);
  for (std::int64_t i = 0; i < count; ++i) running[i] += momentum * (sum[i] * share - running[i]);
}

/// One update of one rank's shard.
struct Update {
  Transport& transport;
  TrainingState& state;
  const Workload& workload;
  const StepScalars& scalars;
  const float* gradient_sum;
  float scale;
  at::Tensor direction = {};       ///< float32 [shard.size()], for optimisers that have one
  std::vector<double> trust = {};  ///< of each entry; empty for optimisers without

  std::int64_t within(const Block& block) const { return block.offset - state.shard.begin; }

  UpdateRange range(const Block& block) const {
    const auto& group = workload.groups[block.entry];
    UpdateRange range{
        .parameters = state.parameters.data_ptr<float>() + block.offset,
        .gradients = gradient_sum + within(block),
        .state = {},
        .direction = direction.defined() ? direction.data_ptr<float>() + within(block) : nullptr,
        .count = block.count,
        .gradient_scale = scale,
        .weight_decay = group.weight_decay,
        .learning_rate = scalars.learning_rate * group.rate_factor,
        .trust = trust.empty() ? 1.0 : trust[block.entry]};
    for (const auto& array : state.optimizer_state)
      range.state.push_back(array.shard.data_ptr<float>() + within(block));
    return range;
  }

  void compute_directions() {
    direction = at::zeros({state.shard.size()});
    for (const auto& block : state.blocks) {
      if (block.is_parameter())
        workload.optimizer.direction(workload.config.optimizer, scalars, range(block));
    }
  }

  /// Collective: from the norms of whole parameters, summed over blocks in their order.
  void compute_trust() {
    const double factor = direction.defined() ? 1 : static_cast<double>(scale) * scale;
    std::vector<double> own;
    for (const auto& block : state.blocks) {
      if (!block.is_parameter()) continue;
      const auto r = range(block);
      own.push_back(sum_of_squares(r.parameters, r.count));
      own.push_back(factor * sum_of_squares(r.direction ? r.direction : r.gradients, r.count));
    }
    const auto all = gather_numbers(transport, own);
    std::vector<LayerNorms> squares(state.layout.entries().size(), LayerNorms{0, 0});
    auto next = all.begin();
    for (const auto& block : state.layout.blocks()) {
      if (!block.is_parameter()) continue;
      squares[block.entry].weights += *next++;
      squares[block.entry].step += *next++;
    }
    trust.assign(squares.size(), 1);
    for (std::size_t i = 0; i < squares.size(); ++i) {
      if (state.layout.entries()[i].kind != Kind::decayed) continue;
      trust[i] = workload.optimizer.trust(workload.config.optimizer,
                                          {std::sqrt(squares[i].weights), std::sqrt(squares[i].step)},
                                          workload.groups[i].weight_decay);
    }
  }

  void update(const Block& block) const {
    const auto& entry = state.layout.entries()[block.entry];
    if (block.kind == Kind::statistic) {
      update_statistics(state.parameters.data_ptr<float>() + block.offset, gradient_sum + within(block),
                        block.count, workload.micro_batches);
    } else if (workload.optimizer.update_matrix && workload.groups[block.entry].is_matrix) {
      if (block.offset != entry.offset) return;  // the first block stands for the whole matrix
      auto whole = range(block);
      whole.count = entry.count;
      workload.optimizer.update_matrix(workload.config.optimizer, whole, entry.shape.front());
    } else {
      workload.optimizer.update(workload.config.optimizer, scalars, range(block));
    }
  }
};

}  // namespace

void update_shard(Transport& transport, TrainingState& state, const Workload& workload,
                  const StepScalars& scalars, double ema_decay, const float* gradient_sum, float scale) {
  Update update{transport, state, workload, scalars, gradient_sum, scale};
  if (workload.optimizer.direction) update.compute_directions();
  if (workload.optimizer.trust) update.compute_trust();
  for (const auto& block : state.blocks) {
    if (block.kind != Kind::metric) update.update(block);
  }
  if (!state.ema.defined()) return;
  for (const auto& block : state.blocks) {
    if (block.kind == Kind::metric) continue;
    update_ema(state.ema.data_ptr<float>() + update.within(block),
               state.parameters.data_ptr<float>() + block.offset, block.count, ema_decay);
  }
}

void update_curvature(TrainingState& state, const Workload& workload, const float* sampled_gradient_sum) {
  const auto samples = static_cast<double>(workload.micro_batches * workload.micro_batch_size);
  for (const auto& block : state.blocks) {
    if (!block.is_parameter()) continue;
    const auto within = block.offset - state.shard.begin;
    estimate_curvature(workload.config.optimizer, sampled_gradient_sum + within, samples,
                       state.optimizer_state[1].shard.data_ptr<float>() + within, block.count);
  }
}

}  // namespace lockstep
