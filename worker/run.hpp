// A run under way: its parts, and the operations of the loop in train().
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

/// Members are in the order of construction. A run that verifies another (Task::verify) has no `saving`, and
/// writes nothing.
struct Run {
  /// Collective: takes over what has been loaded. `bits`: the hash of the fixed micro-batch. Micro-batches
  /// are prepared ahead, for steps below `last_step`. Throws Error, CollectiveError.
  Run(Job& job, RunReport& report, Plan plan, Loaded loaded, const Hash128& bits, std::int64_t last_step);

  Job& job;
  RunReport& report;
  const Plan plan;
  const std::unique_ptr<Workload> workload;
  TrainingState state;
  const std::int64_t first_step, last_step;  ///< steps done before and after the run
  GradientPass gradients;
  ShardUpdate update;
  const std::unique_ptr<Trace> trace;  ///< with run.trace
  const std::unique_ptr<GpuClock> gpu_clock;
  PhaseClock clock;
  Audit audit;
  const std::unique_ptr<Saving> saving;
  std::int64_t saved_step;            ///< the step of the newest checkpoint that was begun
  std::optional<Accuracy> accuracy;   ///< of the last evaluation; the last step always has one
  Transport::Sent parameters_sent{};  ///< by this rank, in the steps of this process
};

/// Collective: loads the run of `plan`, reports what will run, and prepares its next step. `last_step`: where
/// it ends; without it, where its configuration ends it. Throws Error, the same on all ranks,
/// CollectiveError, and Interrupted if a signal ends it first.
std::unique_ptr<Run> begin_run(Job& job, RunReport& report, Plan plan,
                               std::optional<std::int64_t> last_step = {});

/// The factor on the gradients of the run's next step before they are summed.
double loss_scale(const Run& run);

/// Collective: this rank's shard of the sum of the gradients of all micro-batches of the next step, float32
/// [state.shard.size()]: of the loss times loss_scale(), and of the cross entropy with labels drawn from the
/// model's own softmax (Sophia). Throws CollectiveError.
at::Tensor sum_of_gradients(Run& run);
at::Tensor sum_of_sampled_gradients(Run& run);

/// What this rank reports to the others in the step under way. Not collective.
RankReport own_report(Run& run);
/// Acts on the reports of all ranks: a signal to any rank ends the run, and a save that can go on does, which
/// is collective. Throws Error (io, diverged), CollectiveError.
void act_on(Run& run, std::span<const RankReport> reports);

/// Whether the step changes the weights: not if fp16 gradients overflow. Throws Error (diverged), the same on
/// all ranks, if the loss or a gradient is not finite and no loss scale can fix that. Collective only if it
/// throws.
bool step_counts(Run& run, const StepSums& sums);
/// Collective: updates this rank's shard, and all-gathers the new weights. Throws CollectiveError.
void update_weights(Run& run, const Orders& orders, const at::Tensor& gradients, const StepSums& sums);

/// Collective: measures the weights and their averages, and judges the epoch if one has ended. Throws Error
/// (diverged), CollectiveError, Interrupted.
void evaluate(Run& run);
/// Collective: begins to save the state; with `wait`, returns when it is on disk. Throws Error (io, diverged,
/// corrupt), CollectiveError.
void save(Run& run, bool wait);

/// Collective: stops the run in an orderly way, with its state saved. Returns 128 + `signal`. Throws Error
/// (io, diverged, corrupt), CollectiveError.
int stop(Run& run, int signal);
/// Collective: ends the run on all ranks by Error (corrupt). With `save_first`, first saves the state before
/// the step, unless the ranks' copies of it differ. Throws CollectiveError.
[[noreturn]] void leave(Run& run, const Corruption& corruption, bool save_first);

}  // namespace lockstep
