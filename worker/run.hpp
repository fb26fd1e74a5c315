// A run under way: what it consists of, and what the loop of train() does with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "worker/audit/audit.hpp"
#include "worker/checkpoint/saving.hpp"
#include "worker/controller/orders.hpp"
#include "worker/controller/report.hpp"
#include "worker/ranks/job.hpp"
#include "worker/start.hpp"
#include "worker/step/gradient_pass.hpp"
#include "worker/step/shard_update.hpp"
#include "worker/step/step_sums.hpp"
#include "worker/watch/phase_clock.hpp"
#include "worker/watch/trace.hpp"

namespace lockstep {

/// In the order in which it is made. A run that verifies another (Task::verify) has no `saving`, and leaves
/// nothing.
struct Run {
  /// Collective: takes over what has been loaded. `bits`: of the fixed micro-batch. Micro-batches are made
  /// ahead for steps below `last_step`. Throws Error, CollectiveError.
  Run(Job& job, RunReport& report, Plan plan, Loaded loaded, const Hash128& bits, std::int64_t last_step);

  Job& job;
  RunReport& report;
  const Plan plan;
  const std::unique_ptr<Workload> workload;
  TrainingState state;
  const std::int64_t first_step, last_step;  ///< steps done before it, and after it
  const std::unique_ptr<Trace> trace;        ///< with run.trace
  const std::unique_ptr<GpuClock> gpu_clock;
  PhaseClock clock;
  GradientPass gradients;
  Audit audit;
  ShardUpdate update;
  const std::unique_ptr<Saving> saving;
  std::int64_t saved_step;            ///< of the newest checkpoint that was begun
  std::optional<Accuracy> accuracy;   ///< of the last evaluation, which the last step always has
  Transport::Sent parameters_sent{};  ///< by this rank, in the steps of this process
};

/// Collective: loads the run of `plan`, says what will run, and makes it ready for its next step.
/// `last_step`: where it is to end; nothing for where its configuration ends it. Throws Error, the same on
/// all ranks, CollectiveError, and Interrupted where a signal ends it first.
std::unique_ptr<Run> begin_run(Job& job, RunReport& report, Plan plan,
                               std::optional<std::int64_t> last_step = {});

/// What the gradients of the run's next step are multiplied by before they are summed.
double loss_scale(const Run& run);

/// Collective: this rank's shard of the sum of the gradients of all micro-batches of the next step, times
/// loss_scale(); and of those of labels drawn from the model's own softmax (Sophia). Throws CollectiveError.
at::Tensor sum_of_gradients(Run& run);
at::Tensor sum_of_sampled_gradients(Run& run);

/// What this rank tells the others in the step under way.
RankReport own_report(Run& run);
/// Collective where the reports say that a checkpoint can go on. A signal to any rank ends the run. Throws
/// Error (io), CollectiveError.
void heed(Run& run, std::span<const RankReport> reports);

/// Whether the step changes the weights: not where fp16 gradients overflow. Throws Error (diverged) where a
/// loss or gradient is not finite and no loss scale can mend it.
bool counts(Run& run, const StepSums& sums);
/// Collective: the update of this rank's shard, and everybody's new weights to all ranks. Throws
/// CollectiveError.
void update_weights(Run& run, const Orders& orders, const at::Tensor& gradients, const StepSums& sums);

/// Collective: measures the weights and their averages, and judges the epoch where one has ended. Throws
/// Error (diverged), CollectiveError, Interrupted.
void evaluate(Run& run);
/// Collective: begins to save the state, and with `wait` returns when it is on disk. Throws Error (io,
/// corrupt), CollectiveError.
void save(Run& run, bool wait);

/// Collective: what an orderly stop leaves. Returns 128 + `signal`.
int stop(Run& run, int signal);
/// Collective: all ranks leave; with the state before the step saved, if `save`, where nothing says that it
/// is wrong itself. Throws Error (corrupt).
[[noreturn]] void leave(Run& run, const Corruption& corruption, bool save);

}  // namespace lockstep
