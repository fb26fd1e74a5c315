#include "worker/step/forward_backward.hpp"

#include "common/random.hpp"
#include "worker/models/batch_statistics.hpp"
#include "worker/models/model.hpp"
#include "worker/step/loss.hpp"

namespace lockstep {
namespace {

/// int64 [n]: a class for each sample, drawn from the softmax of its logits.
at::Tensor drawn_labels(const at::Tensor& logits, RandomStream random) {
  const auto shares = at::softmax(logits.detach().to(at::kCPU, at::kDouble), 1).contiguous();
  auto labels = at::empty({logits.size(0)}, at::kLong);
  for (std::int64_t i = 0; i < logits.size(0); ++i) {
    const auto* share = shares.data_ptr<double>() + i * shares.size(1);
    double left = random.uniform();
    std::int64_t label = 0;
    while (label + 1 < shares.size(1) && left >= share[label]) left -= share[label++];
    labels.data_ptr<std::int64_t>()[i] = label;
  }
  return labels.to(logits.device());
}

}  // namespace

std::vector<at::Tensor> statistic_leaves(Model& model, const Layout& layout) {
  std::map<std::string, at::Tensor> statistics;  // under the names of the running ones
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    const auto* layer = dynamic_cast<const LeavesStatistics*>(item.value().get());
    if (!layer) continue;
    for (const auto& [name, value] : layer->batch_statistics()) statistics[item.key() + "." + name] = value;
  }
  std::vector<at::Tensor> leaves(layout.entries().size());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const auto found = statistics.find(layout.entries()[i].name);
    if (found != statistics.end()) leaves[i] = found->second;
  }
  return leaves;
}

void forward_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      double loss_scale, const GradientSink& sink, PhaseClock* clock) {
  if (clock) clock->enter(Phase::forward);
  const auto& config = workload.config;
  const auto logits = workload.precision.forward(*workload.model, batch.images);
  auto sums = loss_sums(logits, batch, config.loss, workload.class_weights);
  if (workload.teacher) {
    sums = with_teacher(sums, logits, workload.teacher->logits(batch.images), config.distillation);
  }
  const auto correct = logits.detach().argmax(1).eq(batch.labels).sum();
  const auto metrics = at::stack({sums.loss.detach(), sums.weight, correct.to(at::kFloat)});
  auto values = statistic_leaves(*workload.model, workload.layout);
  values.back() = metrics;  // the last entry of a layout
  for (auto entry = values.size(); entry-- > 0;) {
    if (values[entry].defined()) sink(entry, values[entry]);
  }
  if (clock) clock->enter(Phase::backward);
  hooks.backward(loss_scale == 1 ? sums.loss : sums.loss * loss_scale, sink);
}

void sampled_backward(const Workload& workload, GradientHooks& hooks, const MicroBatch& batch,
                      std::int64_t step, std::int64_t micro_batch, const GradientSink& sink,
                      PhaseClock& clock) {
  clock.enter(Phase::forward);
  const auto logits = workload.precision.forward(*workload.model, batch.images);
  const auto seed = static_cast<std::uint64_t>(workload.config.run.seed);
  const auto labels = drawn_labels(logits, {seed, Purpose::sampled_labels, static_cast<std::uint64_t>(step),
                                            static_cast<std::uint64_t>(micro_batch)});
  clock.enter(Phase::backward);
  hooks.backward(at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum), sink);
}

}  // namespace lockstep
