#include "worker/step.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "collectives/all_gather.hpp"
#include "worker/averaging/ema.hpp"
#include "worker/models/batch_norm.hpp"

namespace lockstep {
namespace {

/// Sum of squares in double, in eight fixed lanes: the same bits whatever the compiler vectorises.
double sum_of_squares(const float* values, std::int64_t count) {
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (; i < count; ++i) lanes[i % 8] += static_cast<double>(values[i]) * values[i];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

at::Tensor batch_statistic(const std::map<std::string, at::Tensor>& statistics, const std::string& name) {
  const auto found = statistics.find(name);
  return found == statistics.end() ? at::Tensor() : found->second;
}

/// The statistics that the forward pass left, under the names of the running ones.
std::map<std::string, at::Tensor> batch_statistics(Model& model) {
  std::map<std::string, at::Tensor> statistics;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    if (auto* norm = item.value()->as<BatchNorm2dImpl>()) {
      statistics[item.key() + ".running_mean"] = norm->batch_mean;
      statistics[item.key() + ".running_var"] = norm->batch_var;
    }
  }
  return statistics;
}

void update_statistics(float* running, const float* sum, std::int64_t count, std::int64_t micro_batches) {
  constexpr float momentum = 0.1F;
  const float share = 1.0F / static_cast<float>(micro_batches);
  for (std::int64_t i = 0; i < count; ++i) running[i] += momentum * (sum[i] * share - running[i]);
}

}  // namespace

std::vector<at::Tensor> forward_backward(Model& model, const Layout& layout, const MicroBatch& batch,
                                         const Config::Loss& settings) {
  const auto logits = model.forward(batch.images);
  const auto loss =
      at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum, -100, settings.label_smoothing);
  loss.backward();
  const auto correct = logits.detach().argmax(1).eq(batch.labels).sum();
  const auto weight = at::full({}, static_cast<double>(batch.labels.size(0)), loss.options());
  const auto metrics = at::stack({loss.detach(), weight, correct.to(at::kFloat)});
  const auto statistics = batch_statistics(model);
  const auto parameters = model.named_parameters();
  std::vector<at::Tensor> values;
  for (const auto& entry : layout.entries()) {
    if (entry.kind == Kind::metric) {
      values.push_back(metrics);
    } else if (entry.kind == Kind::statistic) {
      values.push_back(batch_statistic(statistics, entry.name));
    } else {
      auto& gradient = parameters[entry.name].mutable_grad();
      values.push_back(gradient);
      gradient.reset();  // so that the next backward hands over its tensor instead of adding to this one
    }
  }
  return values;
}

StepSums gather_sums(Transport& transport, const TrainingState& state, const float* gradient_sum) {
  const auto& layout = state.layout;
  const auto blocks = layout.block_range(transport.rank(), transport.world_size());
  std::vector<double> own;  // one number a block of parameters, then the metrics where this rank owns them
  for (auto i = blocks.begin; i < blocks.end; ++i) {
    const auto& block = layout.blocks()[i];
    const float* values = gradient_sum + (block.offset - state.shard.begin);
    if (block.kind == Kind::metric) own.insert(own.end(), values, values + metric_count);
    if (block.kind == Kind::decayed || block.kind == Kind::undecayed) {
      own.push_back(sum_of_squares(values, block.count));
    }
  }
  std::vector<double> all;
  for (const auto& part : gather_bytes(transport, std::as_bytes(std::span(own)))) {
    const auto offset = all.size();
    all.resize(offset + part.size() / sizeof(double));
    std::memcpy(all.data() + offset, part.data(), part.size());
  }
  const auto metrics = all.end() - metric_count;  // the metrics are the last entry of the layout
  double squares = 0;
  for (auto sum = all.begin(); sum != metrics; ++sum) squares += *sum;
  StepSums sums{metrics[metric_loss], metrics[metric_weight], metrics[metric_correct], 0};
  sums.gradient_norm = std::sqrt(squares) / sums.weight;
  return sums;
}

float gradient_scale(const Config::Training& settings, const StepSums& sums) {
  double scale = 1.0 / sums.weight;
  if (settings.gradient_clip_norm > 0) {
    scale *= std::min(1.0, settings.gradient_clip_norm / (sums.gradient_norm + 1e-6));
  }
  return static_cast<float>(scale);
}

void update_shard(TrainingState& state, const Optimizer& optimizer, const Config& config,
                  const StepScalars& scalars, double ema_decay, const float* gradient_sum, float scale,
                  std::int64_t micro_batches) {
  auto* parameters = state.parameters.data_ptr<float>();
  for (const auto& block : state.layout.blocks()) {
    if (block.offset < state.shard.begin || block.offset >= state.shard.end || block.kind == Kind::metric)
      continue;
    const auto within = block.offset - state.shard.begin;
    float* values = parameters + block.offset;
    if (block.kind == Kind::statistic) {
      update_statistics(values, gradient_sum + within, block.count, micro_batches);
    } else {
      UpdateRange range{values, gradient_sum + within,
                        {},     block.count,
                        scale,  block.kind == Kind::decayed ? config.optimizer.weight_decay : 0.0};
      for (const auto& array : state.optimizer_state)
        range.state.push_back(array.shard.data_ptr<float>() + within);
      optimizer.update(config.optimizer, scalars, range);
    }
    if (state.ema.defined()) {
      update_ema(state.ema.data_ptr<float>() + within, values, block.count, ema_decay);
    }
  }
}

}  // namespace lockstep
