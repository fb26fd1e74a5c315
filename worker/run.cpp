#include "worker/run.hpp"

#include <cmath>

#include "common/log.hpp"
#include "worker/checkpoint/background.hpp"
#include "worker/controller/conditions.hpp"
#include "worker/evaluation/outcome.hpp"
#include "worker/models/finite.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/step/forward_backward.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

std::unique_ptr<Trace> trace_of(const Job& job, const Plan& plan) {
  if (!plan.config.run.trace) return nullptr;
  return std::make_unique<Trace>(job.mpi, plan.output, job.compute.gpu().has_value());
}

std::unique_ptr<Saving> saving_of(const Job& job, RunReport& report, const Plan& plan,
                                  const Workload& workload, const Hash128& bits, Trace* trace) {
  if (plan.task != Task::train) return nullptr;
  auto about = conditions_of(workload, job.compute, plan);
  about["probe_hash"] = bits.hex();
  return std::make_unique<Saving>(job.mpi, workload.layout, checkpoints_of(plan), plan.config.checkpoint.keep,
                                  std::move(about), trace,
                                  [&report](const Saved& saved) { report.note_saved(saved); });
}

/// Collective. If the save under way fails, it only warns: the error that ends the run is to be reported.
void finish_save_before_leaving(Run& run) {
  if (!run.saving) return;
  try {
    run.saving->finish();
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error& error) {  // the same on all ranks
    if (run.job.rank() == 0) log_warning(error.what());
  }
}

Error not_finite(const StepSums& sums, std::int64_t step) {
  return diverged("step " + std::to_string(step + 1) + " has a loss or a gradient that is not finite",
                  "loss " + std::to_string(sums.loss / sums.weight) + ", gradient norm " +
                      std::to_string(sums.gradient_norm));
}

}  // namespace

Run::Run(Job& job_, RunReport& report_, Plan plan_, Loaded loaded, const Hash128& bits,
         std::int64_t last_step_)
    : job(job_),
      report(report_),
      plan(std::move(plan_)),
      workload(std::move(loaded.workload)),
      state(std::move(loaded.state)),
      first_step(state.step),
      last_step(last_step_),
      gradients(job, *workload, last_step),
      update(state, *workload),
      trace(trace_of(job, plan)),
      gpu_clock(job.compute.gpu() ? std::make_unique<GpuClock>() : nullptr),
      clock(job.mpi, job.transport(), trace.get(), gpu_clock.get()),
      audit(job.mpi, *workload, gradients.hooks(), clock),
      saving(saving_of(job, report, plan, *workload, bits, trace.get())),
      saved_step(state.step) {}

std::unique_ptr<Run> begin_run(Job& job, RunReport& report, Plan plan,
                               std::optional<std::int64_t> last_step) {
  Hash128 bits;
  auto loaded = load(job, plan, &bits);
  const auto& workload = *loaded.workload;
  leave_if_asked(job.mpi);
  on_all_ranks(job.mpi, [&] {
    if (loaded.state.step == 0) report.require_no_lost_checkpoint(workload);
  });
  if (plan.task == Task::train) leave_in_order_only();
  report.begin(workload, plan, loaded.state);
  stamp_loop(loaded.state.step, rank_range(workload.micro_batches, job.rank(), job.world_size()).size());
  const auto end = last_step.value_or(workload.extent.last_step);
  return std::make_unique<Run>(job, report, std::move(plan), std::move(loaded), bits, end);
}

double loss_scale(const Run& run) {
  return run.workload->precision.scales_loss() ? run.state.decisions.loss_scale : 1;
}

at::Tensor sum_of_gradients(Run& run) {
  const auto scale = loss_scale(run);
  return run.gradients.sum(
      run.state.step, run.clock,
      [&run, scale](std::int64_t micro_batch, const MicroBatch& batch, const GradientSink& sink) {
        run.audit.compute(run.state.step, micro_batch, batch, scale, sink);
      });
}

at::Tensor sum_of_sampled_gradients(Run& run) {
  return run.gradients.sum(
      run.state.step, run.clock,
      [&run](std::int64_t micro_batch, const MicroBatch& batch, const GradientSink& sink) {
        sampled_backward(*run.workload, run.gradients.hooks(), batch, run.state.step, micro_batch, sink,
                         run.clock);
      });
}

RankReport own_report(Run& run) {
  RankReport report{asked_to_end()};
  const bool logs = logs_after(*run.workload, run.state.step + 1);
  const bool saves = run.saving && run.saving->under_way();
  if (saves || logs)
    report.details = {run.saving ? run.saving->status() : Background::done,
                      logs ? run.clock.lap() : PhaseTimes{}};
  return report;
}

void act_on(Run& run, std::span<const RankReport> reports) {
  ask_to_end(signal_in(reports));
  run.clock.enter(Phase::checkpoint);
  if (run.saving) run.saving->advance(saving_statuses(reports));
}

bool step_counts(Run& run, const StepSums& sums) {
  const bool finite = std::isfinite(sums.loss) && std::isfinite(sums.gradient_norm);
  if (run.workload->precision.scales_loss())
    return judge_gradients(run.state.decisions, run.plan.config, finite);
  if (finite) return true;
  finish_save_before_leaving(run);
  throw not_finite(sums, run.state.step);
}

void update_weights(Run& run, const Orders& orders, const at::Tensor& gradients, const StepSums& sums) {
  const auto scale = gradient_scale(run.plan.config.training, sums);
  run.update.clip_values(gradients, scale);
  run.update.step(run.job.mpi, orders.scalars, orders.ema_decay, gradients, scale);
  run.clock.enter(Phase::exchange);
  const auto before = run.job.sent();
  share_parameters(run.job, run.state);
  run.parameters_sent.add(before, run.job.sent());
  run.clock.enter(Phase::update);
}

void evaluate(Run& run) {
  auto& state = run.state;
  const auto& config = run.plan.config;
  run.clock.enter(Phase::evaluation);
  state.evaluation_due = true;
  run.accuracy = measure_all(run.job, *run.workload, state);
  state.evaluation_due = false;
  try {
    require_finite(run.job, state, *run.accuracy);
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error&) {
    finish_save_before_leaving(run);
    throw;
  }
  run.report.note_accuracy(*run.workload, state.step, *run.accuracy);
  const bool judges = judges_after(*run.workload, state.step);
  if (judges && judge_epoch(state.decisions, config, *run.accuracy) && state.best.defined())
    state.best.copy_(state.judged_weights(config.training));
  if (state.decisions.stopped) run.report.note_early_stop(state.step, state.decisions);
}

void save(Run& run, bool wait) {
  if (!run.saving) return;
  run.clock.enter(Phase::checkpoint);
  if (const auto corruption = compare_copies(run.job.memory, run.state))
    leave(run, *corruption, /*save_first=*/false);
  run.saving->begin(run.state);
  run.saved_step = run.state.step;
  if (wait) run.saving->finish();
}

int stop(Run& run, int signal) {
  if (run.saving) {
    run.saving->settle();
    if (run.state.step != run.saved_step || run.saving->has_failed()) save(run, /*wait=*/true);
    run.saving->finish();
  }
  if (run.trace) run.trace->finish();
  run.report.note_stopped(run.state.step, signal);
  return 128 + signal;
}

void leave(Run& run, const Corruption& corruption, bool save_first) {
  finish_save_before_leaving(run);
  if (save_first && run.saving && !compare_copies(run.job.memory, run.state)) {
    run.saving->begin(run.state);
    finish_save_before_leaving(run);
  }
  if (run.job.rank() == 0) set_aside(corruption, run.plan.output);
  throw error_of(corruption);
}

}  // namespace lockstep
