#include "worker/train.hpp"

#include <cmath>

#include "collectives/all_gather.hpp"
#include "collectives/reduce_scatter.hpp"
#include "common/build_identity.hpp"
#include "common/log.hpp"
#include "configs/print.hpp"
#include "worker/agreement.hpp"
#include "worker/gradient_tree.hpp"

namespace lockstep {
namespace {

std::string checkpoints_of(const Plan& plan) { return plan.output + "/checkpoint"; }

std::unique_ptr<Workload> load_workload(Transport& transport, const Plan& plan) {
  std::unique_ptr<Workload> workload;
  on_all_ranks(transport, [&] {
    log_to_file(plan.output + "/log/rank-" + std::to_string(transport.rank()) + ".log");
    workload = std::make_unique<Workload>(plan.config);
  });
  require_same(transport, "the data", workload->data.hash.hex(), "copy the same files to all hosts");
  return workload;
}

/// The state at the newest checkpoint, or with initial weights.
TrainingState start_state(Transport& transport, const Workload& workload, const Plan& plan) {
  TrainingState state(workload.layout, workload.optimizer, plan.config.averaging.model_ema, transport.rank(),
                      transport.world_size());
  store(*workload.model, workload.layout, state.parameters);
  attach(*workload.model, workload.layout, state.parameters);
  if (state.ema.defined()) state.ema.copy_(state.own_parameters());
  const auto manifest = load_newest_checkpoint(transport, state, checkpoints_of(plan));
  if (manifest && manifest->value("data_hash", "") != workload.data.hash.hex()) {
    throw Error(ExitCode::config,
                "the data in " + plan.config.data.path + " is not that of the run in " + plan.output,
                "its hash has changed since the checkpoint",
                "restore the data, or start over with --fresh, which keeps the old run under another name");
  }
  return state;
}

Accuracy measure(Transport& transport, const Workload& workload, const TrainingState& state) {
  const auto samples = workload.data.test.count;
  const auto chunk = workload.config.training.evaluation_batch_size;
  Accuracy accuracy{evaluate(transport, *workload.model, workload.test, samples, chunk), {}};
  if (state.ema.defined()) {
    const auto averages = gather_shards(transport, workload.layout, state.ema);
    const auto model = workload.another_model();
    attach(*model, workload.layout, averages);
    accuracy.ema = evaluate(transport, *model, workload.test, samples, chunk);
  }
  return accuracy;
}

nlohmann::json about(const Workload& workload, const Plan& plan) {
  return {{"config", nlohmann::json::parse(to_json(plan.config))},
          {"plan_hash", plan.hash().hex()},
          {"data_hash", workload.data.hash.hex()},
          {"build", build_identity()}};
}

void require_finite(const StepSums& sums, std::int64_t step) {
  if (std::isfinite(sums.loss) && std::isfinite(sums.gradient_norm)) return;
  throw Error(ExitCode::diverged,
              "step " + std::to_string(step + 1) + " has a loss or a gradient that is not finite",
              "loss " + std::to_string(sums.loss / sums.weight) + ", gradient norm " +
                  std::to_string(sums.gradient_norm),
              "lower optimizer.learning_rate, lengthen the warm-up, or set training.gradient_clip_norm");
}

}  // namespace

int train(Transport& transport, Controller& controller, const Plan& plan) {
  const auto workload = load_workload(transport, plan);
  auto state = start_state(transport, *workload, plan);
  controller.begin(*workload, plan, state);

  const auto& config = plan.config;
  const auto own = rank_range(workload->micro_batches, transport.rank(), transport.world_size());
  const auto shards = workload->layout.shards(transport.world_size());
  GradientTree tree(workload->layout, workload->micro_batches);
  auto gradient_sum = at::zeros({state.shard.size()});
  std::optional<Accuracy> accuracy;

  workload->model->train();
  for (Orders orders{}; !orders.stop && state.step < workload->extent.last_step;) {
    orders = controller.orders(*workload, state.step);
    const auto start = Clock::now();
    tree.restart();
    for (auto micro_batch = own.begin; micro_batch < own.end; ++micro_batch) {
      const auto samples = workload->samples_of(state.step, micro_batch);
      const auto batch = workload->train.augmented(samples, config.run.seed, workload->epoch_of(state.step),
                                                   config.augmentation);
      tree.add_leaf(micro_batch, forward_backward(*workload->model, workload->layout, batch, config.loss));
    }
    reduce_scatter(transport, workload->micro_batches, tree.pieces(), shards, gradient_sum.data_ptr<float>());
    const auto sums = gather_sums(transport, state, gradient_sum.data_ptr<float>());
    require_finite(sums, state.step);
    update_shard(state, workload->optimizer, config, orders.scalars, orders.ema_decay,
                 gradient_sum.data_ptr<float>(), gradient_scale(config.training, sums),
                 workload->micro_batches);
    gather_parameters(transport, state);
    ++state.step;
    controller.note_step(*workload, state.step, sums, orders.scalars.learning_rate, seconds_since(start));

    if (orders.evaluate) {
      accuracy = measure(transport, *workload, state);
      controller.note_accuracy(*workload, state.step, *accuracy);
    }
    if (orders.save) {
      controller.note_saved(state.step, save_checkpoint(transport, state, checkpoints_of(plan),
                                                        config.checkpoint.keep, about(*workload, plan)));
    }
    if (orders.signal != 0 && state.step < workload->extent.last_step) {
      controller.note_stopped(state.step, orders.signal);
      return 128 + orders.signal;
    }
  }
  if (!accuracy) accuracy = measure(transport, *workload, state);
  controller.finish(*workload, plan, state.step, hash_state(transport, state), *accuracy);
  return 0;
}

void evaluate_run(Transport& transport, Controller& controller, const Plan& plan) {
  const auto workload = load_workload(transport, plan);
  const auto state = start_state(transport, *workload, plan);
  controller.note_accuracy(*workload, state.step, measure(transport, *workload, state));
}

}  // namespace lockstep
