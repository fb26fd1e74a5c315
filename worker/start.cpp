#include "worker/start.hpp"

#include <algorithm>

#include "common/log.hpp"
#include "worker/check/fixed_micro_batch.hpp"
#include "worker/checkpoint/checkpoint.hpp"
#include "worker/controller/conditions.hpp"
#include "worker/controller/growth.hpp"
#include "worker/data/find_data.hpp"
#include "worker/models/model.hpp"
#include "worker/models/pretrained.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

/// A run may be evaluated where it cannot be written to.
void open_log(const Transport& mpi, const Plan& plan) {
  try {
    log_to_file(plan.output + "/log/rank-" + std::to_string(mpi.rank()) + ".log", mpi.rank(),
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

std::unique_ptr<Workload> load_workload(Job& job, const Plan& plan) {
  if (plan.task != Task::verify)
    on_all_ranks(job.mpi, [&] { open_log(job.mpi, plan); });  // which writes nothing
  auto settings = plan.config.data;
  if (!plan.data.empty()) settings.path = plan.data;
  auto data = open_dataset(
      job.mpi, job.memory, settings,
      plan.task == Task::train ? remedy_in_training : "name what holds the data of the run with --data PATH");
  leave_if_asked(job.mpi);
  if (job.rank() == 0) std::ranges::for_each(notes_on(data, settings), log_warning);
  std::unique_ptr<Workload> workload;
  on_all_ranks(job.mpi, [&] {
    auto config = plan.config;
    if (plan.task == Task::evaluate) config.distillation.teacher.clear();  // it may be gone by now
    workload = std::make_unique<Workload>(config, std::move(data), job.compute.device);
  });
  require_same(job.mpi, "the data", workload->data.hash.hex(), "copy the same files to all hosts");
  require_same(job.mpi, "the teacher", teacher_hash(*workload), "copy the same files to all hosts");
  return workload;
}

/// The manifest of the checkpoint that `state` has been filled from; nothing where it is to begin anew.
/// Throws Error (config) where a run is to be evaluated that has no checkpoint.
std::optional<nlohmann::json> load_state(Job& job, TrainingState& state, const Plan& plan) {
  const auto checkpoints = checkpoints_of(plan);
  const BusyWith reading(checkpoints.c_str());
  if (plan.task != Task::verify) {
    auto manifest = load_newest_checkpoint(job.mpi, state, checkpoints);
    if (manifest || plan.task == Task::train) return manifest;
    throw Error(ExitCode::config, "there is nothing to evaluate in " + plan.output, "it has no checkpoint",
                "train it, or put its checkpoints back");
  }
  if (plan.segment.from.empty()) return std::nullopt;
  return load_checkpoint(job.mpi, state, checkpoints + "/" + plan.segment.from);
}

/// Room for the state of the run.
TrainingState empty_state(const Job& job, const Workload& workload, const Plan& plan) {
  TrainingState state(workload.layout, workload.optimizer.state_names, plan.config, job);
  state.decisions = first_decisions(plan.config, workload.precision.scales_loss());
  return state;
}

/// Fills `state` from the newest checkpoint, or with initial or pretrained weights, and attaches the model to
/// it. `bits`: of the fixed micro-batch; nothing where nobody computes on from the state. Returns
/// Plan::grown_from as it is from here on.
std::string fill_state(Job& job, const Workload& workload, const Plan& plan, const Hash128* bits,
                       TrainingState& state) {
  const auto manifest = load_state(job, state, plan);
  if (manifest) {
    compare_with_checkpoint(*manifest, conditions_of(workload, job.compute, plan), plan, job.rank() == 0);
  } else {
    on_all_ranks(job.mpi, [&] {
      const BusyWith weights(plan.config.model.pretrained.c_str());
      load_pretrained(*workload.model, plan.config.model.pretrained);
    });
    const auto initial = at::zeros({workload.layout.size()});
    store(*workload.model, workload.layout, initial);
    const auto hash = hash_bytes(initial.data_ptr(), initial.nbytes());
    require_same(job.mpi, "the initial weights", hash.hex(), "use hosts with the same C library");
    if (state.on_gpu || job.memory.local_rank() == 0) state.parameters.copy_(initial);
    job.memory.barrier();
    if (state.ema.defined()) state.ema.copy_(state.own_parameters());
  }
  if (bits)
    require_same_bits(job.mpi, *bits, manifest ? manifest->value("probe_hash", "") : "", state.step, plan);
  if (bits && manifest) require_bits_of_checkpoint(*manifest, *bits, plan);
  attach(*workload.model, workload.layout, state.parameters);
  if (!manifest || plan.task != Task::train) return plan.grown_from;
  const auto growth = growth_since(*manifest, workload);
  if (job.rank() == 0 && !growth.warning.empty()) log_warning(growth.warning);
  return growth.from;
}

}  // namespace

Loaded load(Job& job, Plan& plan, Hash128* bits) {
  auto workload = load_workload(job, plan);
  auto state = empty_state(job, *workload, plan);
  if (bits) *bits = FixedMicroBatch(job.compute.device, *workload).compute();
  plan.grown_from = fill_state(job, *workload, plan, bits, state);
  return {std::move(workload), std::move(state)};
}

}  // namespace lockstep
