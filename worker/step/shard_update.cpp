#include "worker/step/shard_update.hpp"

#include <cmath>

#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

bool is_matrix(const Workload& workload, const Block& block) {
  return block.is_parameter() && workload.optimizer.update_matrix && workload.groups[block.entry].is_matrix;
}

/// Those of this rank's blocks for which `belongs` holds.
template <class Condition>
ShardBlocks blocks_of(const TrainingState& state, const Condition& belongs) {
  std::vector<Piece> pieces;
  for (const auto& block : state.blocks) {
    if (!belongs(block)) continue;
    pieces.push_back({block.offset - state.shard.begin, static_cast<std::int32_t>(block.count), block.entry});
  }
  return {std::move(pieces), state.parameters.device(), state.on_gpu};
}

float* data_of(const at::Tensor& shard) { return shard.defined() ? shard.data_ptr<float>() : nullptr; }

}  // namespace

ShardUpdate::ShardUpdate(TrainingState& state, const Workload& workload)
    : state_(state),
      workload_(workload),
      parameters_(blocks_of(state, [](const Block& block) { return block.is_parameter(); })),
      elementwise_(blocks_of(
          state, [&](const Block& block) { return block.is_parameter() && !is_matrix(workload, block); })),
      matrices_(blocks_of(state, [&](const Block& block) { return is_matrix(workload, block); })),
      statistics_(blocks_of(state, [](const Block& block) { return block.kind == Kind::statistic; })) {
  if (workload.optimizer.direction) {
    direction_ = at::zeros({state.shard.size()}, state.parameters.options());
  }
}

ShardArrays ShardUpdate::arrays(const at::Tensor& gradients) const {
  ShardArrays arrays{.parameters = data_of(state_.own_parameters()),
                     .gradients = data_of(gradients),
                     .direction = data_of(direction_),
                     .ema = data_of(state_.ema),
                     .swa = data_of(state_.swa)};
  for (std::size_t i = 0; i < state_.optimizer_state.size(); ++i) {
    arrays.state[i] = data_of(state_.optimizer_state[i].shard);
  }
  return arrays;
}

std::vector<double> ShardUpdate::sums_of_squares(const at::Tensor& gradients) const {
  return parameters_.sums_of_squares(gradients);
}

void ShardUpdate::clip_values(const at::Tensor& gradients, float scale) const {
  const auto& settings = workload_.config.training;
  if (settings.gradient_clip_value == 0) return;
  const StepNumbers numbers{.limit = static_cast<float>(settings.gradient_clip_value) / scale};
  parameters_.update(UpdateRule::clip, false, arrays(gradients), numbers, {});
}

/// Collective: of each entry, from the norms of whole parameters, summed over blocks in their order; empty
/// for optimisers without.
std::vector<double> ShardUpdate::trust(Transport& host, const at::Tensor& gradients, float scale) const {
  if (!workload_.optimizer.trust) return {};
  const double factor = direction_.defined() ? 1 : static_cast<double>(scale) * scale;
  const auto weights = parameters_.sums_of_squares(state_.own_parameters());
  const auto steps = parameters_.sums_of_squares(direction_.defined() ? direction_ : gradients);
  std::vector<double> own;
  for (std::size_t i = 0; i < weights.size(); ++i) own.insert(own.end(), {weights[i], factor * steps[i]});
  const auto all = gather_numbers(host, own);
  std::vector<LayerNorms> squares(state_.layout.entries().size(), LayerNorms{0, 0});
  auto next = all.begin();
  for (const auto& block : state_.layout.blocks()) {
    if (!block.is_parameter()) continue;
    squares[block.entry].weights += *next++;
    squares[block.entry].step += *next++;
  }
  std::vector<double> trust(squares.size(), 1);
  for (std::size_t i = 0; i < squares.size(); ++i) {
    if (state_.layout.entries()[i].kind != Kind::decayed) continue;
    trust[i] = workload_.optimizer.trust(workload_.config.optimizer,
                                         {std::sqrt(squares[i].weights), std::sqrt(squares[i].step)},
                                         workload_.groups[i].weight_decay);
  }
  return trust;
}

std::vector<Factors> ShardUpdate::factors(const StepScalars& scalars,
                                          const std::vector<double>& trust) const {
  std::vector<Factors> factors;
  for (std::size_t i = 0; i < workload_.groups.size(); ++i) {
    factors.push_back(factors_of(scalars, workload_.groups[i], trust.empty() ? 1.0 : trust[i]));
  }
  return factors;
}

void ShardUpdate::update_matrices(const StepScalars& scalars, const at::Tensor& gradients,
                                  float scale) const {
  for (const auto& block : state_.blocks) {
    const auto& entry = state_.layout.entries()[block.entry];
    if (!is_matrix(workload_, block) || block.offset != entry.offset) continue;  // the first block's turn
    const auto whole = [&](const at::Tensor& shard) {
      const auto part = shard.narrow(0, entry.offset - state_.shard.begin, entry.count);
      return part.view({entry.shape.front(), entry.count / entry.shape.front()});
    };
    const auto& group = workload_.groups[block.entry];
    workload_.optimizer.update_matrix(
        workload_.config.optimizer,
        {whole(state_.own_parameters()), whole(gradients), whole(state_.optimizer_state[0].shard), scale,
         group.weight_decay, scalars.learning_rate * group.rate_factor});
  }
}

void ShardUpdate::step(Transport& host, const StepScalars& scalars, double ema_decay,
                       const at::Tensor& gradients, float scale) {
  const auto& optimizer = workload_.optimizer;
  const auto shard = arrays(gradients);
  auto numbers = step_numbers(workload_.config.optimizer, scalars, scale);
  numbers.ema_weight = static_cast<float>(1.0 - ema_decay);
  numbers.statistics_share = 1.0F / static_cast<float>(workload_.micro_batches);
  if (optimizer.direction) {
    parameters_.update(*optimizer.direction, false, shard, numbers, factors(scalars, {}));
  }
  const auto factors = this->factors(scalars, trust(host, gradients, scale));
  const bool averaged = state_.ema.defined();
  elementwise_.update(optimizer.update, averaged, shard, numbers, factors);
  statistics_.update(UpdateRule::statistics, averaged, shard, numbers, {});
  if (!optimizer.update_matrix) return;
  update_matrices(scalars, gradients, scale);
  if (averaged) matrices_.update(UpdateRule::none, averaged, shard, numbers, {});
}

void ShardUpdate::move_curvature(const at::Tensor& gradients) const {
  auto numbers = step_numbers(workload_.config.optimizer, {0, 1, 1}, 1);
  const auto samples = static_cast<double>(workload_.micro_batches * workload_.micro_batch_size);
  numbers.samples_share = static_cast<float>(1.0 / samples);
  parameters_.update(UpdateRule::curvature, false, arrays(gradients), numbers, {});
}

void ShardUpdate::add_to_mean(std::int64_t member) const {
  const StepNumbers numbers{.member = static_cast<float>(member)};
  for (const auto* pieces : {&parameters_, &statistics_}) {
    pieces->update(UpdateRule::mean, false, arrays({}), numbers, {});
  }
}

}  // namespace lockstep
