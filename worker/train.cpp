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

std::unique_ptr<Workload> load_workload(Transport& host, const Compute& compute, const Plan& plan) {
  std::unique_ptr<Workload> workload;
  on_all_ranks(host, [&] {
    log_to_file(plan.output + "/log/rank-" + std::to_string(host.rank()) + ".log");
    workload = std::make_unique<Workload>(plan.config, compute.device);
  });
  require_same(host, "the data", workload->data.hash.hex(), "copy the same files to all hosts");
  return workload;
}

/// A checkpoint of other data cannot go on; one of another device or build can, but not to the same bits.
void compare_with_checkpoint(const nlohmann::json& manifest, const Workload& workload, const Compute& compute,
                             const Plan& plan, bool speak) {
  if (manifest.value("data_hash", "") != workload.data.hash.hex()) {
    throw Error(ExitCode::config,
                "the data in " + plan.config.data.path + " is not that of the run in " + plan.output,
                "its hash has changed since the checkpoint",
                "restore the data, or start over with --fresh, which keeps the old run under another name");
  }
  const auto device = manifest.value("device_class", compute.device_class);
  if (device != compute.device_class && plan.task == Task::train &&
      !plan.config.reliability.resume_on_other_device) {
    throw Error(
        ExitCode::config, "the run in " + plan.output + " was computed on another class of device",
        "on " + device + ", and here is " + compute.device_class + ": its bits would differ from here on",
        "go on where there are such devices, or accept that with --set "
        "reliability.resume_on_other_device=true");
  }
  const auto build = manifest.value("build", build_identity());
  if (speak && build != build_identity()) {
    log_warning("the checkpoint was written by another build, " + build + "; this is " + build_identity() +
                ": equal bits are promised for one build only");
  }
}

/// The state at the newest checkpoint, or with initial weights, and the model attached to it.
TrainingState start_state(Transport& host, const Compute& compute, const Workload& workload,
                          const Plan& plan) {
  TrainingState state(workload.layout, workload.optimizer, plan.config.averaging.model_ema, host.rank(),
                      host.world_size(), compute.gpu());
  store(*workload.model, workload.layout, state.parameters);
  if (state.ema.defined()) state.ema.copy_(state.own_parameters());
  if (const auto manifest = load_newest_checkpoint(host, state, checkpoints_of(plan))) {
    compare_with_checkpoint(*manifest, workload, compute, plan, host.rank() == 0);
  } else {
    const auto hash = hash_bytes(state.parameters.data_ptr(), state.parameters.nbytes());
    require_same(host, "the initial weights", hash.hex(), "use hosts with the same C library");
  }
  state.replica.copy_(state.parameters);
  attach(*workload.model, workload.layout, state.replica);
  return state;
}

Accuracy measure(Transport& host, const Workload& workload, const TrainingState& state) {
  const auto samples = workload.data.test.count;
  const auto chunk = workload.config.training.evaluation_batch_size;
  Accuracy accuracy{evaluate(host, *workload.model, workload.test, samples, chunk), {}};
  if (state.ema.defined()) {
    const auto averages = gather_shards(host, workload.layout, state.ema).to(state.replica.device());
    const auto model = workload.another_model();
    attach(*model, workload.layout, averages);
    accuracy.ema = evaluate(host, *model, workload.test, samples, chunk);
  }
  return accuracy;
}

nlohmann::json about(const Workload& workload, const Compute& compute, const Plan& plan) {
  return {{"config", nlohmann::json::parse(to_json(plan.config))},
          {"plan_hash", plan.hash().hex()},
          {"data_hash", workload.data.hash.hex()},
          {"device_class", compute.device_class},
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

int train(Transport& host, const Compute& compute, Controller& controller, const Plan& plan) {
  const auto workload = load_workload(host, compute, plan);
  auto state = start_state(host, compute, *workload, plan);
  controller.begin(*workload, plan, state);

  const auto& config = plan.config;
  auto& transport = compute.transport(host);  // of the gradients and the weights
  const auto own = rank_range(workload->micro_batches, host.rank(), host.world_size());
  const auto shards = workload->layout.shards(host.world_size());
  GradientTree tree(workload->layout, workload->micro_batches, compute.device);
  const auto sum_there = at::zeros({state.shard.size()}, compute.device);
  const auto gradient_sum =
      compute.between_gpus ? at::zeros({state.shard.size()}) : sum_there;  // on the host
  std::optional<Accuracy> accuracy;

  workload->model->train();
  while (state.step < workload->extent.last_step) {
    const auto orders = controller.orders(*workload, state.step);
    const auto start = Clock::now();
    tree.restart();
    for (auto micro_batch = own.begin; micro_batch < own.end; ++micro_batch) {
      const auto samples = workload->samples_of(state.step, micro_batch);
      const auto batch = workload->train.augmented(samples, config.run.seed, workload->epoch_of(state.step),
                                                   config.augmentation);
      tree.add_leaf(micro_batch, forward_backward(*workload->model, workload->layout, batch, config.loss));
    }
    reduce_scatter(transport, workload->micro_batches, tree.pieces(), shards, sum_there.data_ptr<float>());
    if (compute.between_gpus)
      transport.copy(gradient_sum.data_ptr(), sum_there.data_ptr(), gradient_sum.nbytes());
    const auto* gradients = gradient_sum.data_ptr<float>();
    const auto sums = gather_sums(host, state, gradients);
    require_finite(sums, state.step);
    update_shard(state, workload->optimizer, config, orders.scalars, orders.ema_decay, gradients,
                 gradient_scale(config.training, sums), workload->micro_batches);
    share_parameters(transport, state);
    ++state.step;
    controller.note_step(*workload, state.step, sums, orders.scalars.learning_rate, seconds_since(start));

    if (orders.evaluate) {
      accuracy = measure(host, *workload, state);
      controller.note_accuracy(*workload, state.step, *accuracy);
    }
    if (orders.save) {
      fetch_parameters(transport, state);
      controller.note_saved(state.step,
                            save_checkpoint(host, state, checkpoints_of(plan), config.checkpoint.keep,
                                            about(*workload, compute, plan)));
    }
    if (orders.signal != 0 && state.step < workload->extent.last_step) {
      controller.note_stopped(state.step, orders.signal);
      return 128 + orders.signal;
    }
  }
  if (!accuracy) accuracy = measure(host, *workload, state);
  controller.finish(*workload, plan, state.step, hash_state(host, state), *accuracy);
  return 0;
}

void evaluate_run(Transport& host, const Compute& compute, Controller& controller, const Plan& plan) {
  const auto workload = load_workload(host, compute, plan);
  const auto state = start_state(host, compute, *workload, plan);
  controller.note_accuracy(*workload, state.step, measure(host, *workload, state));
}

}  // namespace lockstep
