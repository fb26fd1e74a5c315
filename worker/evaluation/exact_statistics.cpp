#include "worker/evaluation/exact_statistics.hpp"

#include <algorithm>
#include <numeric>

#include "collectives/reduce_scatter.hpp"
#include "worker/models/batch_statistics.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/step/forward_backward.hpp"
#include "worker/step/gradient_tree.hpp"

namespace lockstep {
namespace {

/// The statistics of micro-batch `index` of the training set, in the layout's order.
std::vector<at::Tensor> statistics_of(const Workload& workload, Model& model, std::int64_t index) {
  std::vector<std::int64_t> samples(workload.micro_batch_size);
  std::iota(samples.begin(), samples.end(), index * workload.micro_batch_size);
  workload.precision.forward(model, workload.train.plain(samples).images);
  return statistic_leaves(model, workload.layout);
}

bool has_statistics(const Layout& layout) {
  return std::ranges::any_of(layout.entries(),
                             [](const Entry& entry) { return entry.kind == Kind::statistic; });
}

}  // namespace

at::Tensor with_exact_statistics(const Job& job, const Workload& workload, const at::Tensor& weights) {
  const auto micro_batches = workload.data.train.count / workload.micro_batch_size;
  if (!has_statistics(workload.layout)) return weights;
  torch::NoGradGuard no_grad;
  const auto model = workload.another_model();
  attach(*model, workload.layout, weights.to(job.compute.device));
  train_statistics_alone(*model);
  const auto own = rank_range(micro_batches, job.rank(), job.world_size());
  GradientTree tree(workload.layout, micro_batches, own, job.compute.device);
  for (auto i = own.begin; i < own.end && asked_to_end() == 0; ++i) {
    const auto statistics = statistics_of(workload, *model, i);
    tree.begin_leaf(i);
    for (std::size_t entry = 0; entry < statistics.size(); ++entry) tree.add(entry, statistics[entry]);
    tree.end_leaf();
  }
  leave_if_asked(job.mpi);
  const auto shards = workload.layout.shards(job.world_size());
  auto sum = at::zeros({shards[job.rank()].size()}, job.compute.device);
  reduce_scatter(job.transport(), micro_batches, tree.partial_sums(), shards, sum.data_ptr<float>());
  const auto sums = gather_shards(job.mpi, workload.layout, sum);
  auto result = weights.clone();
  for (const auto& entry : workload.layout.entries()) {
    if (entry.kind != Kind::statistic) continue;
    workload.layout.view(result, entry)
        .copy_(workload.layout.view(sums, entry) / static_cast<double>(micro_batches));
  }
  return result;
}

}  // namespace lockstep
