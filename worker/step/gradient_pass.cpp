#include "worker/step/gradient_pass.hpp"

#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {

GradientPass::GradientPass(Job& job, const Workload& workload, std::int64_t last_step)
    : job_(job),
      workload_(workload),
      own_(rank_range(workload.micro_batches, job.rank(), job.world_size())),
      hooks_(*workload.model, workload.layout),
      sum_(job, workload),
      sink_([this](std::size_t entry, const at::Tensor& value) { sum_.add(entry, value); }),
      loader_(
          [&workload, own = own_](std::int64_t position) {
            return workload.augmented(position / own.size(), own.begin + position % own.size());
          },
          last_step * own_.size(), loader_threads(workload.config, job.compute.cores),
          workload.config.data.prefetch_micro_batches) {}

at::Tensor GradientPass::sum(std::int64_t step, PhaseClock& clock, const ComputeLeaf& compute_leaf) {
  const auto before = job_.sent();
  sum_.start();
  for (auto micro_batch = own_.begin; micro_batch < own_.end; ++micro_batch) {
    clock.enter(Phase::data);
    const auto position = step * own_.size() + micro_batch - own_.begin;
    const auto batch =
        workload_.train.on_device(say_error_of_this_rank(job_.mpi, [&] { return loader_.get(position); }));
    workload_.model->draws = draw_key(workload_.config.run.seed, step, micro_batch);
    sum_.begin_leaf(micro_batch);
    compute_leaf(micro_batch, batch, sink_);
    sum_.end_leaf();
  }
  clock.enter(Phase::exchange);
  const auto sum = sum_.finish();
  sent_.add(before, job_.sent());
  return sum;
}

}  // namespace lockstep
