#include "worker/step/step_sums.hpp"

#include <algorithm>
#include <cmath>

#include "worker/ranks/agreement.hpp"

namespace lockstep {

StepSums gather_sums(Transport& transport, const TrainingState& state, const ShardUpdate& update,
                     const at::Tensor& gradient_sum, double loss_scale, const RankReport& report) {
  auto own = numbers_of(
      report);  // then one number a block of parameters, then the metrics where this rank owns them
  const auto report_size = own.size();
  const auto squares_of_blocks = update.sums_of_squares(gradient_sum);
  own.insert(own.end(), squares_of_blocks.begin(), squares_of_blocks.end());
  for (const auto& block : state.blocks) {
    if (block.kind != Kind::metric) continue;
    const auto sums = on_host(gradient_sum.narrow(0, block.offset - state.shard.begin, metric_count));
    own.insert(own.end(), sums.data_ptr<float>(), sums.data_ptr<float>() + metric_count);
  }
  StepSums sums;
  std::vector<double> all;
  for (const auto& part : gather_numbers_by_rank(transport, own)) {
    const auto numbers = part.begin() + static_cast<std::ptrdiff_t>(report_size);
    sums.reports.push_back(report_of({part.begin(), numbers}));
    all.insert(all.end(), numbers, part.end());
  }
  const auto metrics = all.end() - metric_count;  // the metrics are the last entry of the layout
  double squares = 0;
  for (auto sum = all.begin(); sum != metrics; ++sum) squares += *sum;
  sums.loss = metrics[metric_loss];
  sums.weight = metrics[metric_weight];
  sums.correct = metrics[metric_correct];
  if (sums.weight == 0) sums.weight = 1;  // no class of these samples counts: there is nothing to divide
  sums.loss_scale = loss_scale;
  sums.gradient_norm = std::sqrt(squares) / sums.weight / loss_scale;
  return sums;
}

float gradient_scale(const Config::Training& settings, const StepSums& sums) {
  double scale = 1.0 / sums.weight / sums.loss_scale;
  if (settings.gradient_clip_norm > 0) {
    scale *= std::min(1.0, settings.gradient_clip_norm / (sums.gradient_norm + 1e-6));
  }
  return static_cast<float>(scale);
}

}  // namespace lockstep
