#include "worker/train.hpp"

#include <algorithm>
#include <cmath>

#include "collectives/all_gather.hpp"
#include "common/log.hpp"
#include "worker/audit/audit.hpp"
#include "worker/check/fixed_micro_batch.hpp"
#include "worker/checkpoint/checkpoint.hpp"
#include "worker/checkpoint/saving.hpp"
#include "worker/controller/comparison.hpp"
#include "worker/controller/conditions.hpp"
#include "worker/controller/growth.hpp"
#include "worker/data/find_data.hpp"
#include "worker/data/loader.hpp"
#include "worker/evaluation/outcome.hpp"
#include "worker/models/finite.hpp"
#include "worker/models/model.hpp"
#include "worker/models/pretrained.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/step/gradient_sum.hpp"
#include "worker/step/shard_update.hpp"
#include "worker/watch/rank_progress.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {
namespace {

std::string checkpoints_of(const Plan& plan) { return plan.output + "/checkpoint"; }

/// A run may be evaluated where it cannot be written to.
void open_log(const Transport& host, const Plan& plan) {
  try {
    log_to_file(plan.output + "/log/rank-" + std::to_string(host.rank()) + ".log", host.rank(),
                plan.config.run.log_format == "json" ? LogFormat::json : LogFormat::text);
  } catch (const Error& error) {
    if (plan.task != Task::evaluate) throw;
    log_warning(std::string("this evaluation leaves no log: ") + error.what());
  }
}

/// What people are told of the data before they train on them.
std::vector<std::string> notes_on(const Dataset& data, const Config::Data& settings) {
  auto notes = data.notes;
  if (const auto note = note_on_constant_channels(data.statistics); !note.empty() && settings.mean.empty())
    notes.push_back(note);
  if (data.classes == 1)
    notes.push_back(
        "the data have one class alone (every answer is right, and nothing is learned) look whether "
        "data.path is "
        "the folder above those of the classes");
  return notes;
}

std::unique_ptr<Workload> load_workload(Transport& host, HostMemory& memory, const Compute& compute,
                                        const Plan& plan) {
  if (plan.task != Task::verify) on_all_ranks(host, [&] { open_log(host, plan); });  // which writes nothing
  auto settings = plan.config.data;
  if (!plan.data.empty()) settings.path = plan.data;
  auto data = open_dataset(
      host, memory, settings,
      plan.task == Task::train ? remedy_in_training : "name what holds the data of the run with --data PATH");
  leave_if_asked(host);
  if (host.rank() == 0) std::ranges::for_each(notes_on(data, settings), log_warning);
  std::unique_ptr<Workload> workload;
  on_all_ranks(host, [&] {
    auto config = plan.config;
    if (plan.task == Task::evaluate) config.distillation.teacher.clear();  // it may be gone by now
    workload = std::make_unique<Workload>(config, std::move(data), compute.device);
  });
  require_same(host, "the data", workload->data.hash.hex(), "copy the same files to all hosts");
  require_same(host, "the teacher", teacher_hash(*workload), "copy the same files to all hosts");
  return workload;
}

/// The manifest of the checkpoint that `state` has been filled from; nothing where it is to begin anew.
/// Throws Error (config) where a run is to be evaluated that has no checkpoint.
std::optional<nlohmann::json> load_state(Transport& host, TrainingState& state, const Plan& plan) {
  const auto checkpoints = checkpoints_of(plan);
  const BusyWith reading(checkpoints.c_str());
  if (plan.task != Task::verify) {
    auto manifest = load_newest_checkpoint(host, state, checkpoints);
    if (manifest || plan.task == Task::train) return manifest;
    throw Error(ExitCode::config, "there is nothing to evaluate in " + plan.output, "it has no checkpoint",
                "train it, or put its checkpoints back");
  }
  if (plan.segment.from.empty()) return std::nullopt;
  return load_checkpoint(host, state, checkpoints + "/" + plan.segment.from);
}

/// Room for the state of the run.
TrainingState empty_state(HostMemory& memory, const Compute& compute, const Workload& workload,
                          const Plan& plan) {
  TrainingState state(workload.layout, workload.optimizer.state_names, plan.config, memory, compute.gpu());
  state.decisions = first_decisions(plan.config, workload.precision.scales_loss());
  return state;
}

/// Fills `state` from the newest checkpoint, or with initial or pretrained weights, and attaches the model to
/// it. `bits`: of the fixed micro-batch; nothing where nobody computes on from the state. Returns
/// Plan::grown_from as it is from here on.
std::string fill_state(HostMemory& memory, const Compute& compute, const Workload& workload, const Plan& plan,
                       const std::optional<Hash128>& bits, TrainingState& state) {
  auto& host = memory.transport();
  const auto manifest = load_state(host, state, plan);
  if (manifest) {
    compare_with_checkpoint(*manifest, conditions_of(workload, compute, plan), plan, host.rank() == 0);
  } else {
    on_all_ranks(host, [&] {
      const BusyWith weights(plan.config.model.pretrained.c_str());
      load_pretrained(*workload.model, plan.config.model.pretrained);
    });
    const auto initial = at::zeros({workload.layout.size()});
    store(*workload.model, workload.layout, initial);
    const auto hash = hash_bytes(initial.data_ptr(), initial.nbytes());
    require_same(host, "the initial weights", hash.hex(), "use hosts with the same C library");
    if (state.on_gpu || memory.local_rank() == 0) state.parameters.copy_(initial);
    memory.barrier();
    if (state.ema.defined()) state.ema.copy_(state.own_parameters());
  }
  if (bits)
    require_same_bits(host, *bits, manifest ? manifest->value("probe_hash", "") : "", state.step, plan);
  if (bits && manifest) require_bits_of_checkpoint(*manifest, *bits, plan);
  attach(*workload.model, workload.layout, state.parameters);
  if (!manifest || plan.task != Task::train) return plan.grown_from;
  const auto growth = growth_since(*manifest, workload);
  if (host.rank() == 0 && !growth.warning.empty()) log_warning(growth.warning);
  return growth.from;
}

/// Collective: Task::verify, once the steps of the segment are computed again: the state against what the run
/// has kept of it, whose files are read too.
void compare_end(Transport& host, const Compute& compute, const Workload& workload, const Plan& plan,
                 TrainingState& state, const std::optional<Accuracy>& accuracy, Controller& controller) {
  const auto hashes = hash_state(host, state);
  if (!plan.segment.to.empty()) {
    auto* comparison = controller.comparison();
    if (comparison)
      comparison->state(conditions_of(workload, compute, plan), state.step, state.decisions, hashes);
    load_checkpoint(host, state, checkpoints_of(plan) + "/" + plan.segment.to);
    return;
  }
  const auto outcome = outcome_of(host, compute, workload, state, accuracy);
  controller.finish(workload, plan, state.step, hashes, outcome.accuracy, {}, {});
  on_all_ranks(host, [&] {
    if (auto* comparison = controller.comparison())
      comparison->exports(hash_exports(workload, plan.output, outcome, state.step));
  });
}

/// Collective: what the rank that sends most has sent in a step.
Exchanged most_exchanged(Transport& host, const Transport::Sent& own, std::int64_t steps) {
  Exchanged most;
  const auto all =
      gather_numbers(host, std::vector{static_cast<double>(own.messages), static_cast<double>(own.bytes)});
  for (std::size_t rank = 0; rank < all.size(); rank += 2) {
    const auto share = 1.0 / static_cast<double>(std::max<std::int64_t>(steps, 1));
    if (all[rank + 1] * share > most.bytes_per_step || rank == 0)
      most = {all[rank] * share, all[rank + 1] * share};
  }
  return most;
}

Error not_finite(const StepSums& sums, std::int64_t step) {
  return diverged("step " + std::to_string(step + 1) + " has a loss or a gradient that is not finite",
                  "loss " + std::to_string(sums.loss / sums.weight) + ", gradient norm " +
                      std::to_string(sums.gradient_norm));
}

}  // namespace

int train(HostMemory& memory, const Compute& compute, Controller& controller, Plan plan) {
  auto& host = memory.transport();
  const auto workload = load_workload(host, memory, compute, plan);
  auto state = empty_state(memory, compute, *workload, plan);
  const auto bits = FixedMicroBatch(compute.device, *workload).compute();
  plan.grown_from = fill_state(memory, compute, *workload, plan, bits, state);
  leave_if_asked(host);
  on_all_ranks(host, [&] {
    if (state.step == 0) controller.require_no_lost_checkpoint(*workload);
  });
  if (plan.task == Task::train) leave_in_order_only();
  controller.begin(*workload, plan, state);
  const auto& config = plan.config;
  auto& transport = compute.transport(host);  // of the gradients and the weights
  const auto own = rank_range(workload->micro_batches, host.rank(), host.world_size());
  stamp_loop(state.step, own.size());
  LeafDelivery leaf(*workload->model, workload->layout);
  GradientSum gradient_sum(memory, compute, *workload, leaf);
  ShardUpdate update(state, *workload);

  const bool on_gpu = compute.gpu().has_value();
  const auto trace = config.run.trace ? std::make_unique<Trace>(host, plan.output, on_gpu) : nullptr;
  const auto gpu_clock = on_gpu ? std::make_unique<GpuClock>() : nullptr;
  PhaseClock clock(host, transport, trace.get(), gpu_clock.get());
  Audit audit(host, *workload, leaf, clock);
  auto about = conditions_of(*workload, compute, plan);
  about["probe_hash"] = bits.hex();
  Saving saving(host, workload->layout, checkpoints_of(plan), config.checkpoint.keep, about, trace.get());
  const auto note_saved = [&](const std::optional<Saved>& saved) {
    if (saved) controller.note_saved(*saved);
  };
  const auto last_step = plan.task == Task::verify ? plan.segment.end : workload->extent.last_step;
  Transport::Sent exchanged;  // gradients and weights, in the steps of this process
  const auto sent = [&] {
    auto all = host.sent();
    if (&transport != &host) all.add({}, transport.sent());
    return all;
  };
  const auto first_step = state.step;

  Loader loader(
      [&](std::int64_t position) {
        return workload->augmented(position / own.size(), own.begin + position % own.size());
      },
      last_step * own.size(), loader_threads(config, compute.cores), config.data.prefetch_micro_batches);

  // The sum over the step's micro-batches of what `compute_leaf` delivers for each: this rank's shard of it.
  const auto sum_over_micro_batches = [&](const auto& compute_leaf) {
    const auto before = sent();
    gradient_sum.start();
    for (auto micro_batch = own.begin; micro_batch < own.end; ++micro_batch) {
      clock.enter(Phase::data);
      const auto position = state.step * own.size() + micro_batch - own.begin;
      const auto batch =
          workload->train.on_device(speaking_for_itself(host, [&] { return loader.get(position); }));
      workload->model->draws = draw_key(config.run.seed, state.step, micro_batch);
      gradient_sum.begin_leaf(micro_batch);
      compute_leaf(batch, micro_batch);
      gradient_sum.end_leaf();
    }
    clock.enter(Phase::exchange);
    const auto sum = gradient_sum.finish();
    exchanged.add(before, sent());
    return sum;
  };

  // Whatever becomes of the save under way, what ends the run is told.
  const auto finish_before_leaving = [&] {
    try {
      note_saved(saving.finish());
    } catch (const CollectiveError&) {
      throw;
    } catch (const Error& error) {  // the same on all ranks
      if (host.rank() == 0) log_warning(error.what());
    }
  };

  // All leave; with the state before the step saved, where nothing says that it is wrong itself.
  const auto leave = [&](const Corruption& corruption, bool save) {
    finish_before_leaving();
    if (save && plan.task == Task::train && !compare_copies(memory, state)) {
      note_saved(saving.begin(state));
      finish_before_leaving();
    }
    if (host.rank() == 0) set_aside(corruption, plan.output);
    throw error_of(corruption);
  };

  std::optional<Accuracy> accuracy;  // of the last evaluation, which the last step always has
  const auto evaluate_now = [&] {
    clock.enter(Phase::evaluation);
    state.evaluation_due = true;
    accuracy = measure_all(host, compute, *workload, state);
    state.evaluation_due = false;
    try {
      require_finite(host, state, *accuracy);
    } catch (const CollectiveError&) {
      throw;
    } catch (const Error&) {
      finish_before_leaving();
      throw;
    }
    controller.note_accuracy(*workload, state.step, *accuracy);
    const bool judges = Controller::judges(*workload, state.step);
    if (judges && judge_epoch(state.decisions, config, *accuracy) && state.best.defined())
      state.best.copy_(state.judged_weights(config.training));
    if (state.decisions.stopped) controller.note_early_stop(state.step, state.decisions);
  };

  const bool trains = plan.task == Task::train;  // and does not verify: then nothing is written
  auto saved_step = state.step;
  const auto save = [&] {
    clock.enter(Phase::checkpoint);
    if (const auto corruption = compare_copies(memory, state)) leave(*corruption, /*save=*/false);
    note_saved(saving.begin(state));
    saved_step = state.step;
  };
  const auto stop_for = [&](int signal) {
    note_saved(saving.settle());
    if ((state.step != saved_step || saving.has_failed()) && trains) save();
    note_saved(saving.finish());
    if (trace) trace->finish();
    controller.note_stopped(state.step, signal);
    return 128 + signal;
  };

  try {
    leave_if_asked(host);
    workload->model->train();
    if (state.evaluation_due) {
      evaluate_now();
      if (trains) save();
      note_saved(saving.finish());
    }
    while (state.step < last_step && !state.decisions.stopped) {
      clock.begin_step();
      const auto orders = controller.orders(*workload, state);
      if (orders.signal != 0) return stop_for(orders.signal);
      const auto start = Clock::now();
      if (orders.estimate_curvature) {
        update.move_curvature(sum_over_micro_batches([&](const auto& batch, auto micro_batch) {
          sampled_backward(*workload, batch, state.step, micro_batch, clock);
        }));
      }
      const bool scales_loss = workload->precision.scales_loss();
      const double loss_scale = scales_loss ? state.decisions.loss_scale : 1;
      const auto gradients = sum_over_micro_batches([&](const auto& batch, auto micro_batch) {
        audit.compute(state.step, micro_batch, batch, loss_scale);
      });
      if (const auto corruption = audit.check(state.step, loss_scale))
        leave(*corruption, /*save=*/!orders.estimate_curvature);  // which has changed the state already
      std::vector<double> report = {static_cast<double>(asked_to_end())};
      const bool logs = controller.logs(*workload, state.step + 1);
      if (saving.under_way() || logs)
        report = report_of(asked_to_end(), saving.status(), logs ? clock.lap() : PhaseTimes{});
      const auto sums = gather_sums(host, state, update, gradients, loss_scale, report);
      ask_to_end(signal_in(sums.reports));
      clock.enter(Phase::checkpoint);
      note_saved(saving.advance(saving_statuses(sums.reports)));
      clock.enter(Phase::update);
      const bool finite = std::isfinite(sums.loss) && std::isfinite(sums.gradient_norm);
      if (!scales_loss && !finite) {
        finish_before_leaving();
        throw not_finite(sums, state.step);
      }
      if (!scales_loss || judge_gradients(state.decisions, config, finite)) {
        const auto scale = gradient_scale(config.training, sums, loss_scale);
        update.clip_values(gradients, scale);
        update.step(host, orders.scalars, orders.ema_decay, gradients, scale);
        clock.enter(Phase::exchange);
        const auto before = sent();
        share_parameters(memory, transport, state);
        exchanged.add(before, sent());
        clock.enter(Phase::update);
      }
      if (orders.add_to_mean) update.add_to_mean(++state.decisions.swa_members);
      ++state.step;
      clock.enter(Phase::other);
      controller.note_step(*workload, state, sums, orders.scalars.learning_rate, seconds_since(start));

      if (orders.evaluate) evaluate_now();
      if (orders.save || (state.decisions.stopped && trains)) {
        save();
        if (orders.stop || state.decisions.stopped) note_saved(saving.finish());
      }
      clock.end_step(state.step);
    }
    if (plan.task == Task::verify) {
      compare_end(host, compute, *workload, plan, state, accuracy, controller);
      return 0;
    }
    require_steps_that_count(state.decisions, config, state.step);
    stamp_ending();
    const auto phases =
        phase_columns(gather_numbers_by_rank(host, report_of(0, saving.status(), clock.total())));
    const auto outcome = outcome_of(host, compute, *workload, state, accuracy);
    if (trace) trace->finish();
    export_outcome(host, *workload, plan.output, state, outcome);
    controller.finish(*workload, plan, state.step, hash_state(host, state), outcome.accuracy,
                      most_exchanged(host, exchanged, state.step - first_step), phases);
    return 0;
  } catch (const Interrupted& interrupted) {  // in an evaluation: it is made up for when the run goes on
    return stop_for(interrupted.signal);
  }
}

void evaluate_run(HostMemory& memory, const Compute& compute, Controller& controller, const Plan& plan) {
  auto& host = memory.transport();
  const auto workload = load_workload(host, memory, compute, plan);
  auto state = empty_state(memory, compute, *workload, plan);
  fill_state(memory, compute, *workload, plan, std::nullopt, state);
  stamp_ending();
  controller.note_accuracy(*workload, state.step,
                           outcome_of(host, compute, *workload, state, std::nullopt).accuracy);
}

}  // namespace lockstep
