#include "worker/train.hpp"

#include <algorithm>

#include "worker/checkpoint/background.hpp"
#include "worker/evaluation/outcome.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

/// Collective: the messages and bytes per step of the rank that has sent most.
Exchanged most_exchanged(const Run& run) {
  auto own = run.gradients.sent();
  own.add({}, run.parameters_sent);
  Exchanged most;
  const auto all = gather_numbers(
      run.job.mpi, std::vector{static_cast<double>(own.messages), static_cast<double>(own.bytes)});
  const auto steps = run.state.step - run.first_step;
  for (std::size_t rank = 0; rank < all.size(); rank += 2) {
    const auto share = 1.0 / static_cast<double>(std::max<std::int64_t>(steps, 1));
    if (all[rank + 1] * share > most.bytes_per_step || rank == 0)
      most = {all[rank] * share, all[rank + 1] * share};
  }
  return most;
}

/// Collective: phase_columns() of the whole run.
nlohmann::ordered_json phases_of(Run& run) {
  const auto own = numbers_of({0, RankReport::Details{Background::done, run.clock.total()}});
  std::vector<RankReport> reports;
  for (const auto& numbers : gather_numbers_by_rank(run.job.mpi, own)) reports.push_back(report_of(numbers));
  return phase_columns(reports);
}

/// Collective: exact averages, exports, hashes, result.json.
void finish(Run& run) {
  const auto& job = run.job;
  const auto& workload = *run.workload;
  const auto& state = run.state;
  require_effective_steps(state.decisions, run.plan.config, state.step);
  stamp_ending();
  const auto phases = phases_of(run);
  const auto outcome = outcome_of(job, workload, state, run.accuracy);
  if (run.trace) run.trace->finish();
  export_outcome(job, workload, run.plan.output, state, outcome);
  const auto exchanged = most_exchanged(run);
  const auto hashes = hash_state(job.mpi, state);
  run.report.finish(workload, run.plan, state.step, hashes, outcome.accuracy, exchanged, phases);
}

}  // namespace

int train(Run& run) {
  auto& state = run.state;
  try {
    leave_if_asked(run.job.mpi);
    run.workload->model->train();
    if (state.evaluation_due) {  // a signal interrupted it
      evaluate(run);
      save(run, /*wait=*/true);
    }
    while (state.step < run.last_step && !state.decisions.stopped) {
      run.clock.begin_step();
      const auto orders = next_orders(run.job.mpi, *run.workload, state);  // from rank 0
      if (orders.signal != 0) return stop(run, orders.signal);
      const auto start = Clock::now();
      if (orders.estimate_curvature) run.update.move_curvature(sum_of_sampled_gradients(run));  // Sophia

      // Forward and backward of this rank's micro-batches, overlapped with the reduce-scatter over all ranks.
      const auto gradients = sum_of_gradients(run);
      if (const auto corruption = run.audit.check(state.step, loss_scale(run)))
        leave(run, *corruption,
              /*save_first=*/!orders.estimate_curvature);  // which has changed the state already

      // Loss, weight and norm of the step, and what every rank reports of signals, saves and times.
      const auto sums =
          gather_sums(run.job.mpi, state, run.update, gradients, loss_scale(run), own_report(run));
      act_on(run, sums.reports);

      run.clock.enter(Phase::update);
      if (step_counts(run, sums)) update_weights(run, orders, gradients, sums);
      if (orders.add_to_mean) run.update.add_to_mean(++state.decisions.swa_members);  // SWA
      ++state.step;
      run.clock.enter(Phase::other);
      run.report.note_step(*run.workload, state, sums, orders.scalars.learning_rate, seconds_since(start));

      if (orders.evaluate) evaluate(run);
      const bool ends = orders.stop || state.decisions.stopped;
      if (orders.save || state.decisions.stopped) save(run, /*wait=*/ends);
      run.clock.end_step(state.step);
    }
    return 0;
  } catch (const Interrupted& interrupted) {  // in an evaluation, which is repeated when the run resumes
    return stop(run, interrupted.signal);
  }
}

int train_run(Job& job, RunReport& report, const Plan& plan) {
  const auto run = begin_run(job, report, plan);
  if (const int status = train(*run); status != 0) return status;
  try {
    finish(*run);
    return 0;
  } catch (const Interrupted& interrupted) {
    return stop(*run, interrupted.signal);
  }
}

void evaluate_run(Job& job, RunReport& report, Plan plan) {
  const auto [workload, state] = load(job, plan, /*bits=*/nullptr);
  stamp_ending();
  report.note_accuracy(*workload, state.step, outcome_of(job, *workload, state, std::nullopt).accuracy);
}

}  // namespace lockstep
